package quadlet

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"empty":             {"", ""},
		"keys":              {"[Unit]\nA=b\n\n[Container]\nC = d = e \n", "Unit/A=b@2 Container/C=d = e@5"},
		"comments":          {"# a=b\n[X]\n;c=d\n  # e\nA=#b\n", "X/A=#b@5"},
		"goes on":           {"[X]\nA=b \\\n  c\\\n d\nE=f\n", "X/A=b    c  d@2 X/E=f@5"},
		"comment within":    {"[X]\nA=b\\\n# no\n; no\nc\n", "X/A=b c@2"},
		"empty line within": {"[X]\nA=b\\\n\nC=d\n", "X/A=b@2 X/C=d@4"},
		"no value":          {"[X]\nA=\n", "X/A=@2"},
		"line ends":         {"[X]\r\nA=b\r\n", "X/A=b@2"},
		"twice":             {"[X]\nA=1\n[Y]\n[X]\nA=2\n", "X/A=1@2 X/A=2@5"},
		"no line end":       {"[X]\nA=b", "X/A=b@2"},
		"no section":        {"A=b\n", `line 1 stands before the first [Section]: "A=b"`},
		"no key":            {"[X]\n\nrubbish\n", `line 3 is neither a [Section] nor Key=value: "rubbish"`},
		"half a section":    {"[X\n", `line 1 is neither a [Section] nor Key=value: "[X"`},
		"within":            {"[X]\nA=b\\\nc\nno\\\nno\n", `line 4 is neither a [Section] nor Key=value: "no no"`},
		"nothing follows":   {"[X]\nA=b\\", "line 2 ends with a backslash, and nothing follows"},
		"long":              {"[X]\n" + strings.Repeat("ä", 5000) + "\n", "…"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := Parse(tt.text)
			var got []string
			for _, l := range lines {
				got = append(got, fmt.Sprintf("%s/%s=%s@%d", l.Section, l.Key, l.Value, l.Number))
			}
			said := strings.Join(got, " ")
			if err != nil {
				said = err.Error()
			}
			if said != tt.want && (tt.want != "…" || len(said) > 200 || !strings.Contains(said, "…")) {
				t.Errorf("%s, want %s", said, tt.want)
			}
		})
	}
}

func TestAdditions(t *testing.T) {
	t.Parallel()
	const want = "[Unit]\nDescription=ours\nRequires=db.service\n[Container]\nImage=x:1\nContainerName=x\nEnvironment=A=1\nEnvironment=B=2\nVolume=data.volume:/data:Z\nNetwork=in.network\nPublishPort=8080:80\nSecret=s,type=env,target=P\nAddHost=h:1.2.3.4\nPodmanArgs=--cpus=1\nShmSize=64m\nTmpfs=/t:size=1m\nAddDevice=/dev/a:/dev/b\n[Install]\nWantedBy=default.target\n"
	for name, tt := range map[string]struct{ have, adds, others string }{
		"the same":              {want, "", ""},
		"nothing":               {"", strings.Replace(want, "Description=ours\n", "", 1), ""},
		"another description":   {strings.Replace(want, "ours", "theirs", 1), "", ""},
		"another single value":  {strings.Replace(want, "Image=x:1", "Image=x:2", 1), "", "Image"},
		"another variable":      {strings.Replace(want, "A=1", "A=3", 1), "", "Environment"},
		"one more variable":     {strings.Replace(want, "Environment=A=1", "Environment=C=3", 1), "[Container]\nEnvironment=A=1\n", ""},
		"quoted":                {strings.Replace(want, "Environment=A=1", `Environment="A=1 2"`, 1), "", "Environment"},
		"the place has another": {strings.Replace(want, "data.volume:/data:Z", "/srv:/data", 1), "", "Volume"},
		"another place":         {strings.Replace(want, "data.volume:/data:Z", "/srv:/srv", 1), "[Container]\nVolume=data.volume:/data:Z\n", ""},
		"network with options":  {strings.Replace(want, "Network=in.network", "Network=in.network:alias=a", 1), "", "Network"},
		"another port":          {strings.Replace(want, "8080:80", "127.0.0.1:9090:80", 1), "", "PublishPort"},
		"another secret":        {strings.Replace(want, "Secret=s,type=env,target=P", "Secret=s", 1), "", "Secret"},
		"another host":          {strings.Replace(want, "h:1.2.3.4", "h:1.2.3.5", 1), "", "AddHost"},
		"other arguments":       {strings.Replace(want, "--cpus=1", "--cpus=2", 1), "", "PodmanArgs"},
		"several on a line":     {strings.Replace(want, "Environment=A=1\nEnvironment=B=2", `Environment=C=1 'B=3 4' "A=5"`, 1), "", "Environment Environment"},
		"arguments on a line":   {strings.Replace(want, "--cpus=1", "--memory 1g --cpus 2", 1), "", "PodmanArgs"},
		"another size":          {strings.Replace(want, "/t:size=1m", "/t", 1), "", "Tmpfs"},
		"a volume in its place": {strings.Replace(want, "Tmpfs=/t:size=1m", "Volume=t.volume:/t:Z", 1), "", "Tmpfs"},
		"another device":        {strings.Replace(want, "/dev/a:/dev/b", "/dev/c:/dev/b:r", 1), "", "AddDevice"},
		"in another section":    {strings.Replace(want, "[Install]\nWantedBy", "[Unit]\nWantedBy", 1), "[Install]\nWantedBy=default.target\n", ""},
		"in another order":      {"[Install]\nWantedBy=default.target\n" + strings.Replace(want, "[Install]\nWantedBy=default.target\n", "", 1), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			adds, others, err := Additions(want, tt.have)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, l := range others {
				keys = append(keys, l.Key)
			}
			if got := strings.ReplaceAll("\n"+adds, "\n\n[", "\n["); strings.TrimSpace(got) != strings.TrimSpace(tt.adds) || strings.Join(keys, " ") != tt.others {
				t.Errorf("adds %s, others %v; want %s, %s", got, keys, tt.adds, tt.others)
			}
		})
	}
	for _, bad := range [][2]string{{"rubbish", ""}, {"", "rubbish"}} {
		if _, _, err := Additions(bad[0], bad[1]); err == nil || !strings.Contains(err.Error(), "line 1 ") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

// FuzzParse reads whatever there is: it ends, and what it adds to a file is not
// to be added a second time.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "[X]\nA=b\\\n c\n", "[Container]\nImage=x\nEnvironment=\"A=1\"\n", "\\", "[]\n=\n", "[X]\nA=\\\n\n", "#\\\n", "[X]\nA= \"\n"} {
		f.Add(s, "[Container]\nImage=y\nEnvironment=A=2\nVolume=:::\n")
		f.Add("[X]\nA=1\n", s)
	}
	f.Fuzz(func(t *testing.T, want, have string) {
		wanted, err := Parse(want)
		for _, l := range wanted {
			if l.Number < 1 || l.Number > strings.Count(want, "\n")+1 || strings.Contains(l.Value, "\n") {
				t.Errorf("%+v", l)
			}
		}
		adds, _, err2 := Additions(want, have)
		if (err != nil) && err2 == nil {
			t.Errorf("what cannot be read (%v) is added: %q", err, adds)
		}
		if err2 != nil {
			return
		}
		both, err := Parse(have + "\n" + adds)
		if err != nil {
			t.Fatalf("the drop-in cannot be read: %v: %q", err, adds)
		}
		if len(both) > len(wanted)*2+strings.Count(have, "\n")+1 {
			t.Errorf("%d lines", len(both))
		}
		again, _, err := Additions(want, have+"\n"+adds)
		if err != nil || again != "" {
			t.Errorf("it adds %q, and then %q, %v", adds, again, err)
		}
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	s := Source{Kind: FromCompose, Path: "/srv/a b/compose.yaml", Name: "db", Project: "shop", Profiles: []string{"x", "y"}}
	const text = "\n[Container]\nImage=x\n"
	ours := withHeader(text, s, Container{Name: "db"})
	o := ReadOrigin(ours)
	if !o.Ours || o.Edited || fmt.Sprint(o.Source) != fmt.Sprint(s) {
		t.Errorf("%+v", o)
	}
	for name, tt := range map[string]struct {
		content      string
		ours, edited bool
	}{
		"appended to":        {ours + "Exec=y\n", true, true},
		"one letter":         {strings.Replace(ours, "Image=x", "Image=y", 1), true, true},
		"without the end":    {strings.TrimSuffix(ours, "\n"), true, true},
		"emptied":            {ours[:strings.Index(ours, text)], true, true},
		"sum gone":           {strings.Replace(ours, sumLine, "# ", 1), true, true},
		"no head":            {text, false, false},
		"empty":              {"", false, false},
		"the first line":     {headLine + text, false, false},
		"source gone":        {strings.Replace(ours, sourceLine, "# ", 1), false, false},
		"source is rubbish":  {headLine + sourceLine + "{\n" + sumLine + sum(text) + "\n" + text, false, false},
		"something above it": {"# mine\n" + ours, false, false},
	} {
		if o := ReadOrigin(tt.content); o.Ours != tt.ours || o.Edited != tt.edited {
			t.Errorf("%s: %+v", name, o)
		}
	}
	other := withHeader(text, Source{Kind: FromContainer, Name: "db"}, Container{Name: "another"})
	if !Same(ours, other) || !Same(ours, ours) || !Same(ours, text) {
		t.Error("the heads make a difference")
	}
	if Same(ours, ours+"\n") || Same(text, "") {
		t.Error("the bodies make none")
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"db.container": "db.service", "a.b.container": "a.b.service", "x.kube": "x.service", "data.volume": "data-volume.service",
		"in.network": "in-network.service", "p.pod": "p-pod.service", "i.build": "i-build.service", "i.image": "i-image.service",
	} {
		if got := Service(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"5.4.2": "5.4", "5.4": "5.4", "4.9.4-rhel": "4.9", "v5.0.0-dev": "5.0", " 5.10.1\n": "5.10", "5.8-rc1": "5.8",
	} {
		if v, err := ParseVersion(s); err != nil || v.String() != want {
			t.Errorf("%q: %s, %v", s, v, err)
		}
	}
	for _, s := range []string{"", "5", "5.", ".4", "x.y", "-5.4", "5.x", "five.4", "99999999999999999999.1"} {
		if v, err := ParseVersion(s); err == nil || !strings.Contains(err.Error(), "is no version of Podman's") {
			t.Errorf("%q: %s, %v", s, v, err)
		}
	}
	list := []Version{{4, 9}, {5, 0}, {5, 2}, {5, 10}, {6, 0}}
	for i, v := range list {
		for j, w := range list {
			if v.Before(w) != (i < j) {
				t.Errorf("%s before %s: %v", v, w, v.Before(w))
			}
		}
	}
}

// TestHealthyWithin is how long a unit may take until its health check passes.
func TestHealthyWithin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		h    Health
		want time.Duration
	}{
		{Health{}, 210 * time.Second}, // 3 × (30 + 30) + 30
		{Health{Interval: time.Second, Timeout: time.Second, Retries: 3}, 90 * time.Second},
		{Health{StartPeriod: 2 * time.Minute, Interval: 5 * time.Second, Timeout: 5 * time.Second, Retries: 10}, 250 * time.Second},
		{Health{StartPeriod: 1 << 62, Interval: 1 << 62, Retries: 1 << 40}, time.Hour},
	} {
		if got := healthyWithin(tt.h); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.h, got, tt.want)
		}
	}
}
