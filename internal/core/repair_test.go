package core

import (
	"slices"
	"strings"
	"testing"
)

func does(word string) RepairStep { return RepairStep{Run: []string{word}} }

func repairing(words ...string) Finding {
	r := &Repair{}
	for _, w := range words {
		r.Steps = append(r.Steps, does(w))
	}
	return Finding{Repair: r}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		list []Finding
		want string
	}{
		"nothing":        {nil, ""},
		"no repair":      {[]Finding{{ID: "a"}, repairing()}, ""},
		"one":            {[]Finding{repairing("write a", "reload", "start a")}, "write a,reload,start a"},
		"the same":       {[]Finding{repairing("write a", "reload"), repairing("write a", "reload")}, "write a,reload"},
		"share a reload": {[]Finding{repairing("write a", "reload", "start a"), repairing("write b", "reload", "start b")}, "write a,write b,reload,start a,start b"},
		"one of many":    {[]Finding{repairing("x"), repairing("write b", "reload"), repairing("write c", "reload")}, "x,write b,write c,reload"},
		"each other":     {[]Finding{repairing("a", "b"), repairing("b", "a")}, "a,b"},
		"twice in one":   {[]Finding{repairing("a", "b", "a")}, "b,a"},
	} {
		var got []string
		for _, s := range Merge(tt.list) {
			got = append(got, s.Run[0])
		}
		if s := strings.Join(got, ","); s != tt.want {
			t.Errorf("%s: %s, want %s", name, s, tt.want)
		}
	}
}

// What may start something waits until keeper no longer stands down.
func TestMendable(t *testing.T) {
	t.Parallel()
	cases := map[string]bool{ // command: starts something
		"systemctl --user daemon-reload":       false,
		"systemctl --user enable keeper":       false,
		"systemctl --user reset-failed db":     false,
		"systemctl --user enable --now keeper": true,
		"systemctl --user start db":            true,
		"systemctl start db":                   true,
		"podman network reload --all":          true,
		"keeper recover":                       true,
		"loginctl enable-linger":               true,
	}
	for command, starts := range cases {
		f := Finding{ID: command, Repair: &Repair{Steps: []RepairStep{{Write: "/home/app/x", Text: RepairMark}, {Run: strings.Fields(command)}}}}
		now, later := Mendable([]Finding{f, {ID: "none"}}, true)
		if len(later) == 1 != starts || len(now)+len(later) != 1 {
			t.Errorf("%s: now %v, later %v", command, now, later)
		}
		if now, later = Mendable([]Finding{f}, false); len(now) != 1 || len(later) != 0 {
			t.Errorf("%s, not standing down: now %v, later %v", command, now, later)
		}
	}
}

func TestDropIn(t *testing.T) {
	t.Parallel()
	got := DropIn("/home/app/db.container", "50-keeper-restart.conf", "[Service]", "Environment=A=x\nExecStartPre=/bin/evil")
	want := RepairStep{Write: "/home/app/db.container.d/50-keeper-restart.conf", Text: RepairMark + "\n[Service]\nEnvironment=A=x ExecStartPre=/bin/evil\n"}
	if !got.Same(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !want.In([]RepairStep{Reload(), got}) || want.In([]RepairStep{Reload()}) || !slices.Equal(Reload().Run, []string{"systemctl", "--user", "daemon-reload"}) {
		t.Error("a step is in a list, or not")
	}
}
