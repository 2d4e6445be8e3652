package quadlet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// rendered is the unit of a container, without its head.
func rendered(t *testing.T, c Container, v Version) (string, []Note) {
	t.Helper()
	if c.Unit == "" {
		c.Unit, c.Name, c.Image = "web", "web", "localhost/web"
	}
	files, notes := Render(Stack{Containers: []Container{c}}, Host{v})
	if len(files) != 1 || files[0].Name != c.Unit+".container" || !ReadOrigin(files[0].Content).Ours || ReadOrigin(files[0].Content).Edited {
		t.Fatalf("%+v", files)
	}
	return body(files[0].Content), notes
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if want, no := strings.CutPrefix(l, "!"); no {
			if strings.Contains(text, want) {
				t.Errorf("%s is in%s", want, text)
			}
		} else if !strings.Contains(text, "\n"+l+"\n") {
			t.Errorf("%s is not in%s", l, text)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	text, _ := rendered(t, Container{Needs: []Need{{Unit: "db"}, {Unit: "ca%che", Weak: true, Why: "it is\nnice"}}}, Version{5, 4})
	has(t, text, "Requires=db.service\nAfter=db.service", "# it is nice\nWants=ca%%che.service\nAfter=ca%%che.service", "!Requires=ca")
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		c     Container
		lines []string
		hint  bool
	}{
		"Podman's own":    {Container{}, []string{"!StopTimeout", "!TimeoutStopSec"}, false},
		"ten seconds":     {Container{StopTimeout: 10 * time.Second}, []string{"!StopTimeout", "!TimeoutStopSec"}, false},
		"its own":         {Container{StopTimeout: 1500 * time.Millisecond}, []string{"StopTimeout=2", "TimeoutStopSec=17"}, false},
		"a store":         {Container{Store: true}, []string{"StopTimeout=60", "TimeoutStopSec=75"}, false},
		"a slow store":    {Container{Store: true, StopTimeout: 100 * time.Second}, []string{"StopTimeout=100", "TimeoutStopSec=115"}, false},
		"beyond the end":  {Container{StopTimeout: 2 * time.Minute}, []string{"StopTimeout=120", "TimeoutStopSec=135"}, true},
		"not healthy":     {Container{Health: Health{Retries: 3}}, []string{"!TimeoutStartSec", "!Notify"}, false},
		"healthy":         {Container{NotifyHealthy: true}, []string{"Notify=healthy", "TimeoutStartSec=210"}, false},
		"no restart":      {Container{Restart: "no"}, []string{"!Restart", "!StartLimit"}, false},
		"always":          {Container{Restart: "always"}, []string{"Restart=always\nRestartSec=1", "StartLimitIntervalSec=300\nStartLimitBurst=60"}, false},
		"five times":      {Container{Restart: "on-failure", RestartMost: 5}, []string{"Restart=on-failure", "StartLimitBurst=6"}, true},
		"to its end":      {Container{OneShot: true, Restart: "always"}, []string{"Type=oneshot\nRemainAfterExit=yes", "!Restart=", "!StartLimit"}, false},
		"not by itself":   {Container{Manual: true}, []string{"![Install]"}, false},
		"at boot":         {Container{}, []string{"[Install]\nWantedBy=default.target"}, false},
		"of the host":     {Container{PullNever: true}, []string{"Pull=never"}, false},
		"what it is for":  {Container{Description: "a 100%\nunit"}, []string{"Description=a 100%% unit"}, false},
		"nobody knows":    {Container{}, []string{"Description=Container web"}, false},
		"a Compose's":     {Container{Source: Source{Kind: FromCompose, Name: "db", Project: "shop"}}, []string{"Description=db of shop"}, false},
		"ends with quote": {Container{Description: `a\ `}, []string{"Description=a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, notes := rendered(t, tt.c, Version{5, 4})
			has(t, text, tt.lines...)
			if hint := slices.ContainsFunc(notes, func(n Note) bool { return n.Level == Hint && n.Unit == "web" }); hint != tt.hint || len(notes) > 1 {
				t.Errorf("%+v", notes)
			}
		})
	}
	old, notes := rendered(t, Container{Store: true, NotifyHealthy: true}, Version{4, 9})
	has(t, old, "PodmanArgs=--stop-timeout=60", "TimeoutStopSec=75", "!StopTimeout=", "!Notify", "!TimeoutStartSec")
	if len(notes) != 1 || notes[0].Level != Lost || notes[0].Field != "Notify" {
		t.Errorf("%+v", notes)
	}
}

// TestGates says each thing in the way of each version of Podman.
func TestGates(t *testing.T) {
	t.Parallel()
	versions := []Version{{4, 9}, {5, 0}, {5, 1}, {5, 2}, {5, 3}, {5, 5}, {5, 7}, {5, 8}}
	for _, tt := range []struct {
		set       Setting
		key, args string
		since     Version
	}{
		{Setting{"hostname", "h"}, "HostName=h", "", Oldest},
		{Setting{"group-add", "g"}, "GroupAdd=g", "--group-add=g", Version{5, 1}},
		{Setting{"stop-signal", "INT"}, "StopSignal=INT", "--stop-signal=INT", Version{5, 2}},
		{Setting{"stop-timeout", "0"}, "StopTimeout=0", "--stop-timeout=0", Version{5, 0}},
		{Setting{"network-alias", "a"}, "NetworkAlias=a", "--network-alias=a", Version{5, 2}},
		{Setting{"log-opt", "max-size=1m"}, "LogOpt=max-size=1m", "--log-opt=max-size=1m", Version{5, 2}},
		{Setting{"add-host", "h:1.2.3.4"}, "AddHost=h:1.2.3.4", "--add-host=h:1.2.3.4", Version{5, 3}},
		{Setting{"cgroups", "split"}, "CgroupsMode=split", "--cgroups=split", Version{5, 3}},
		{Setting{"memory", "1g"}, "Memory=1g", "--memory=1g", Version{5, 5}},
		{Setting{"http-proxy", "false"}, "HttpProxy=false", "--http-proxy=false", Version{5, 7}},
		{Setting{"security-opt", "apparmor=p"}, "AppArmor=p", "--security-opt=apparmor=p", Version{5, 8}},
		{Setting{"security-opt", "label:disable"}, "SecurityLabelDisable=true", "", Oldest},
		{Setting{"security-opt", "mask=/x"}, "", "--security-opt=mask=/x", Version{99, 0}},
		{Setting{"privileged", "true"}, "", "--privileged", Version{99, 0}},
		{Setting{"env", "A=$b %c"}, `Environment="A=$$b %%c"`, "", Oldest},
	} {
		for _, v := range versions {
			text, notes := rendered(t, Container{Settings: []Setting{tt.set}}, v)
			if v.Before(tt.since) {
				has(t, text, "PodmanArgs="+tt.args)
				if tt.key != "" {
					has(t, text, "!\n"+tt.key)
				}
			} else {
				has(t, text, tt.key, "!PodmanArgs")
			}
			if len(notes) > 0 {
				t.Errorf("%v: %+v", tt.set, notes)
			}
		}
		if name, _, _ := strings.Cut(tt.key, "="); tt.key != "" {
			if since, known := KeySince("Container", name); !known || since != tt.since {
				t.Errorf("%s is known since %s", name, since)
			}
		}
	}
	if _, known := KeySince("Container", "Frobnicate"); known {
		t.Error("what is no key is known")
	}
	// Several values where only the last counts, by the version.
	two := Container{Settings: []Setting{{"ulimit", "nofile=1:2"}, {"ulimit", "core=0"}}}
	text, _ := rendered(t, two, Version{4, 9})
	has(t, text, "Ulimit=nofile=1:2", "PodmanArgs=--ulimit=core=0")
	text, _ = rendered(t, two, Version{5, 0})
	has(t, text, "Ulimit=nofile=1:2\nUlimit=core=0", "!PodmanArgs")
}

// TestKinds is about kinds of files that a version of Podman does not know.
func TestKinds(t *testing.T) {
	t.Parallel()
	s := Stack{
		Containers: []Container{{Unit: "web", Name: "web", Build: "img", Pod: "p", Entrypoint: []string{"/a", "b c"}}},
		Pods:       []Pod{{Unit: "p", Name: "p"}}, Builds: []Build{{Unit: "img", Image: "localhost/img", Context: "/srv"}},
		Volumes: []Volume{{Unit: "v", Name: "v"}}, Networks: []Network{{Unit: "n", Name: "n"}},
	}
	for _, tt := range []struct {
		v            Version
		files, stops int
		lines        []string
	}{
		{Version{4, 9}, 3, 2, []string{"Image=localhost/img", `PodmanArgs="--entrypoint=[\"/a\",\"b c\"]"`}},
		{Version{5, 0}, 4, 0, []string{"Image=localhost/img", `Entrypoint=["/a","b c"]`, "Pod=p.pod"}},
		{Version{5, 2}, 5, 0, []string{"Wants=img-build.service"}},
	} {
		files, notes := Render(s, Host{tt.v})
		stops := 0
		for _, n := range notes {
			if n.Level == Stop {
				stops++
			}
		}
		if len(files) != tt.files || stops != tt.stops || Dropins(Host{tt.v}) == (tt.v == Version{4, 9}) {
			t.Errorf("%s: %d files, %+v", tt.v, len(files), notes)
		}
		if !slices.IsSortedFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("they are in no order")
		}
		for _, f := range files {
			if f.Name == "web.container" {
				has(t, body(f.Content), tt.lines...)
			}
		}
	}
	d := Dropin("web.container", "\n[Container]\nA=b\n", Source{Kind: FromContainer, Name: "web"})
	if o := ReadOrigin(d.Content); d.Name != "web.container.d/50-keeper.conf" || !o.Ours || o.Edited || !strings.HasSuffix(d.Content, "[Container]\nA=b\n") {
		t.Errorf("%+v", d)
	}
}

// TestUnsayable is about values that no unit file can hold. Those of variables
// are not shown.
func TestUnsayable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		c     Container
		field string
	}{
		"NUL":            {Container{Settings: []Setting{{"env", "PASSWORD=hunter2\x00"}}}, "env.PASSWORD"},
		"not UTF-8":      {Container{Settings: []Setting{{"label", "a=\xff"}}}, "label"},
		"too long":       {Container{Settings: []Setting{{"label", "a=" + strings.Repeat("x", mostValue)}}}, "label"},
		"empty argument": {Container{Command: []string{"a", ""}}, "Exec"},
		"argument":       {Container{Command: []string{"a\x00"}}, "Exec"},
		"place":          {Container{Volumes: []VolumeUse{{Unit: "v", Target: "/a\nb"}}}, "Volume"},
	} {
		text, notes := rendered(t, tt.c, Version{5, 4})
		if len(notes) != 1 || notes[0].Level != Stop || notes[0].Field != tt.field || strings.Contains(fmt.Sprint(notes, text), "hunter2") || len(notes[0].Text) > 300 {
			t.Errorf("%s: %+v", name, notes)
		}
	}
}

// The containers of a pod are bound to it: it must come back as they do.
func TestPodRestarts(t *testing.T) {
	t.Parallel()
	for restart, want := range map[string][]string{
		"always": {"StartLimitIntervalSec=300\nStartLimitBurst=60", "Restart=always\nRestartSec=1"},
		"":       {"!Restart", "!StartLimit"},
	} {
		files, _ := Render(Stack{Pods: []Pod{{Unit: "p", Name: "p", Restart: restart}}}, Host{Version{5, 4}})
		if len(files) != 1 {
			t.Fatalf("%+v", files)
		}
		has(t, body(files[0].Content), want...)
	}
}
