package guardhost

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadText(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/script", "echo\n")
	put(t, dir+"/empty", "")
	put(t, dir+"/most", strings.Repeat("x", mostText))
	put(t, dir+"/more", strings.Repeat("x", mostText+1))
	if err := syscall.Mkfifo(dir+"/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"link": "script", "proc": "/proc/self/status", "round": "round"} {
		if err := os.Symlink(to, dir+"/"+from); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		dir + "/script": 5, dir + "/link": 5, dir + "/empty": 0, dir + "/most": mostText,
		dir + "/more": -1, dir + "/fifo": -1, dir + "/proc": -1, dir + "/round": -1, dir: -1, dir + "/none": -1,
		"/proc/self/status": -1, "/sys/kernel/uevent_seqnum": -1, "/dev/null": -1, "/dev/zero": -1, "script": -1, "": -1, "/\x00": -1,
	} {
		text, ok := readText(path)
		if got := len(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%s: %d, %v", path, got, ok)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/a/b/file", "")
	for from, to := range map[string]string{
		"link": "a/b", "abs": dir + "/a", "up": "a/b/../../a", "through": "link/../file", "dangling": "none/x", "round": "round", "long": strings.Repeat("./", 600) + "a",
		"a/back": "..", "two": "link/file",
	} {
		if err := os.Symlink(to, dir+"/"+from); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"/":                              "/",
		"":                               "",
		"x/y":                            "x/y",
		dir:                              dir,
		dir + "//a/./b/":                 dir + "/a/b",
		dir + "/link/file":               dir + "/a/b/file",
		dir + "/link/new":                dir + "/a/b/new",
		dir + "/link/new/er":             dir + "/a/b/new/er",
		dir + "/link/new/../x":           dir + "/a/b/x",
		dir + "/abs/b":                   dir + "/a/b",
		dir + "/up/b":                    dir + "/a/b",
		dir + "/link/..":                 dir + "/a",
		dir + "/through":                 dir + "/a/file",
		dir + "/dangling":                dir + "/none/x",
		dir + "/dangling/y":              dir + "/none/x/y",
		dir + "/round/x":                 dir + "/round/x",
		dir + "/long/b":                  dir + "/a/b",
		dir + "/a/back/a/b":              dir + "/a/b",
		dir + "/two":                     dir + "/a/b/file",
		dir + "/a/b/file/below":          dir + "/a/b/file/below",
		dir + "/gone/../link":            dir + "/a/b",
		"/../../..":                      "/",
		"/\x00":                          "/\x00",
		"/" + strings.Repeat("a/", 3000): "/" + strings.Repeat("a/", 3000),
	} {
		if got := resolve(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	// The same, of one that remembers, in whatever order.
	r := newResolver()
	for range 3 {
		for _, path := range []string{"/link/file", "/link", "/a/b", "/gone/x", "/gone/../link", "/gone"} {
			if got, want := r.resolve(dir+path), resolve(dir+path); got != want {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		}
	}
}

func FuzzResolve(f *testing.F) {
	f.Add("/tmp/../a//b/.")
	f.Add("/proc/self/cwd/../x")
	f.Fuzz(func(t *testing.T, path string) {
		got := resolve(path)
		if filepath.IsAbs(path) && !strings.ContainsRune(path, 0) && len(path) < mostPath && got != filepath.Clean(got) {
			t.Errorf("%q: %q is not clean", path, got)
		}
	})
}
