package paths

import "testing"

func TestOf(t *testing.T) {
	const mark, linger = "/etc/keeper/stand-down", "/var/lib/systemd/linger"
	for name, tt := range map[string]struct {
		home, state, data, runtime string
		want                       Paths // the zero one where it cannot be told
	}{
		"by the home": {home: "/home/app", want: Paths{
			State: "/home/app/.local/state/keeper", Runtime: "/run/user/1000", Socket: "/run/user/1000/keeper/keeper.sock",
			Marks: mark, Storage: "/home/app/.local/share/containers/storage", LingerDir: linger}},
		"by the environment": {home: "/home/app", state: "/s", data: "/d", runtime: "/r", want: Paths{
			State: "/s/keeper", Runtime: "/r", Socket: "/r/keeper/keeper.sock", Marks: mark, Storage: "/d/containers/storage", LingerDir: linger}},
		// The XDG specification has relative paths ignored.
		"by paths that are relative": {home: "/home/app", state: "s", data: "./d", runtime: "r", want: Paths{
			State: "/home/app/.local/state/keeper", Runtime: "/run/user/1000", Socket: "/run/user/1000/keeper/keeper.sock",
			Marks: mark, Storage: "/home/app/.local/share/containers/storage", LingerDir: linger}},
		"without a home": {state: "/s", data: "/d", want: Paths{
			State: "/s/keeper", Runtime: "/run/user/1000", Socket: "/run/user/1000/keeper/keeper.sock", Marks: mark, Storage: "/d/containers/storage", LingerDir: linger}},
		"without a home, and no state": {data: "/d"},
		"without a home, and no data":  {state: "/s"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range map[string]string{"HOME": tt.home, "XDG_STATE_HOME": tt.state, "XDG_DATA_HOME": tt.data, "XDG_RUNTIME_DIR": tt.runtime} {
				t.Setenv(key, value)
			}
			got, err := Of(1000)
			if got != tt.want || (err != nil) != (tt.want == Paths{}) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}
