package netns

import "testing"

// FuzzRequest reads what `keeper sockets` is asked.
func FuzzRequest(f *testing.F) {
	f.Add(request([]byte{1, 2}), 2)
	f.Add([]byte(magic), 0)
	f.Add([]byte("x"), 1)
	f.Fuzz(func(t *testing.T, data []byte, fds int) {
		counts, err := parseRequest(data, fds)
		if err == nil && (len(counts) != fds || string(request(counts)) != string(data)) {
			t.Errorf("%q with %d descriptors asks for %v", data, fds, counts)
		}
	})
}
