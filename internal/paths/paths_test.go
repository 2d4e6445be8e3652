package paths

import "testing"

func TestOf(t *testing.T) {
	of := func(state, data, config, runtime string) Paths {
		return Paths{State: state, Journal: state + "/adoption.json", JournalLock: state + "/adoption.lock", Copies: state + "/quadlets",
			Runtime: runtime, Socket: runtime + "/keeper/keeper.sock", Storage: data + "/containers/storage",
			SiteSettings: "/etc/keeper/keeper.toml", Settings: config + "/keeper/keeper.toml", SiteGuard: "/etc/keeper/guard.toml",
			Marks: "/etc/keeper/stand-down", LingerDir: "/var/lib/systemd/linger",
			Quadlets: [4]string{runtime + "/containers/systemd", config + "/containers/systemd", "/etc/containers/systemd/users", "/etc/containers/systemd/users/1000"}}
	}
	byHome := of("/home/app/.local/state/keeper", "/home/app/.local/share", "/home/app/.config", "/run/user/1000")
	for name, tt := range map[string]struct {
		home, state, data, config, runtime string
		want                               Paths // the zero one where it cannot be told
	}{
		"by the home":        {home: "/home/app", want: byHome},
		"by the environment": {home: "/home/app", state: "/s", data: "/d", config: "/c", runtime: "/r", want: of("/s/keeper", "/d", "/c", "/r")},
		// The XDG specification has relative paths ignored.
		"by paths that are relative":      {home: "/home/app", state: "s", data: "./d", config: "c", runtime: "r", want: byHome},
		"without a home":                  {state: "/s", data: "/d", config: "/c", want: of("/s/keeper", "/d", "/c", "/run/user/1000")},
		"without a home, and no state":    {data: "/d", config: "/c"},
		"without a home, and no data":     {state: "/s", config: "/c"},
		"without a home, and no settings": {state: "/s", data: "/d"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range map[string]string{"HOME": tt.home, "XDG_STATE_HOME": tt.state, "XDG_DATA_HOME": tt.data, "XDG_CONFIG_HOME": tt.config, "XDG_RUNTIME_DIR": tt.runtime} {
				t.Setenv(key, value)
			}
			got, err := Of(1000)
			if got != tt.want || (err != nil) != (tt.want == Paths{}) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}
