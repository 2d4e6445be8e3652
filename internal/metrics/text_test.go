package metrics

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"keeper/internal/control"
	"keeper/internal/core"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// example has something of everything.
func example() Snapshot {
	return Snapshot{
		Status: control.Status{
			User: "app", Well: false, Problems: []control.Problem{{What: "redis is ill"}},
			Daemon: control.Daemon{Release: "v0.1.0"}, Linger: control.Linger{State: core.LingerOn}, Rearm: control.Rearm{Armed: true},
			StandDown: &core.StandDown{Cause: core.CausePaused},
			Survivals: []control.Survival{{At: noon, OutageMS: 3160}, {At: noon.Add(-time.Hour), OutageMS: 99}},
			Services: []core.Service{
				{Name: "postgres.service", Kind: core.ProbePostgres, State: core.ServiceWell, Since: noon.Add(-time.Hour), Condition: core.ConditionReady, Threshold: 3, Budget: 5},
				{Name: "redis.service", Kind: core.ProbeRedis, State: core.ServiceIll, Since: noon, Condition: core.ConditionSilent, Failures: 4, Threshold: 3, Restarts: 2, Budget: 5,
					Why: "secret-in-why", Detail: "secret-in-detail", Supervision: core.Supervision{User: "secret-user", PasswordFile: "/secret-file", Command: []string{"secret-command"}}},
			},
		},
		Survived: 51, Began: noon.Add(-2 * time.Hour), Go: "go1.26",
		Services: map[string]Service{
			"postgres.service": {Began: noon.Add(-2 * time.Hour), Probes: 720, Took: 1500 * time.Microsecond},
			"redis.service":    {Began: noon.Add(-time.Hour), Probes: 360, Took: 3 * time.Second, Restarts: 2},
		},
		Decisions: map[core.Kind]uint64{core.Note: 7, core.RestartUnits: 2},
		Process:   Process{CPU: 12340 * time.Millisecond, Resident: 15 << 20, FDs: 21, Started: noon.Add(-2 * time.Hour)},
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]Format{"openmetrics.golden": OpenMetrics, "plain.golden": Plain} {
		got := Text(example(), format)
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v (go test ./internal/metrics -update)", err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs (go test ./internal/metrics -update; git diff):\n%s", name, got)
		}
		if strings.Contains(string(got), "secret") {
			t.Errorf("%s has what is nobody's business", name)
		}
	}
}

// parsed is what Prometheus itself makes of a text.
type parsed struct {
	types, units, help map[string]string
	series             map[string]float64 // by its labels
}

func parse(t *testing.T, text []byte, format Format) parsed {
	t.Helper()
	table := labels.NewSymbolTable()
	p := textparse.NewPromParser(text, table)
	if format == OpenMetrics {
		p = textparse.NewOpenMetricsParser(text, table)
	}
	got := parsed{types: map[string]string{}, units: map[string]string{}, help: map[string]string{}, series: map[string]float64{}}
	put := func(m map[string]string, name, value []byte) {
		if _, ok := m[string(name)]; ok {
			t.Errorf("%s is described twice", name)
		}
		m[string(name)] = string(value)
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatalf("Prometheus cannot read it: %v\n%s", err, text)
		}
		switch entry {
		case textparse.EntryType:
			name, kind := p.Type()
			put(got.types, name, []byte(kind))
		case textparse.EntryUnit:
			name, unit := p.Unit()
			put(got.units, name, unit)
		case textparse.EntryHelp:
			name, help := p.Help()
			put(got.help, name, help)
		case textparse.EntrySeries:
			_, at, value := p.Series()
			var ls labels.Labels
			p.Labels(&ls)
			if _, ok := got.series[ls.String()]; ok || at != nil {
				t.Errorf("%s is there twice, or has a time", ls)
			}
			got.series[ls.String()] = value
		}
	}
}

func TestReferenceParser(t *testing.T) {
	t.Parallel()
	for format, more := range map[Format]struct {
		types  map[string]string
		series map[string]float64
	}{
		OpenMetrics: {map[string]string{"keeper_build": "info", "keeper_survivals": "counter", "process_cpu_seconds": "counter"},
			map[string]float64{`{__name__="keeper_service_restarts_created", service="redis.service", user="app"}`: seconds(noon.Add(-time.Hour))}},
		Plain: {map[string]string{"keeper_build_info": "gauge", "keeper_survivals_total": "counter", "process_cpu_seconds_total": "counter"}, nil},
	} {
		got := parse(t, Text(example(), format), format)
		if len(got.types) != len(families) || len(got.help) != len(families) {
			t.Errorf("%d types and %d texts for %d families", len(got.types), len(got.help), len(families))
		}
		for name, want := range more.types {
			if got.types[name] != want {
				t.Errorf("%s is a %q, want %q", name, got.types[name], want)
			}
		}
		want := map[string]float64{
			`{__name__="keeper_build_info", goversion="go1.26", user="app", version="v0.1.0"}`:               1,
			`{__name__="keeper_well", user="app"}`:                                                           0,
			`{__name__="keeper_stand_down", cause="paused", user="app"}`:                                     1,
			`{__name__="keeper_stand_down", cause="mark", user="app"}`:                                       0,
			`{__name__="keeper_survivals_total", user="app"}`:                                                51,
			`{__name__="keeper_last_outage_seconds", user="app"}`:                                            3.16,
			`{__name__="keeper_decisions_total", kind="restart-units", user="app"}`:                          2,
			`{__name__="keeper_decisions_total", kind="stop-units", user="app"}`:                             0,
			`{__name__="keeper_service_up", kind="postgres", service="postgres.service", user="app"}`:        1,
			`{__name__="keeper_service_up", kind="redis", service="redis.service", user="app"}`:              0,
			`{__name__="keeper_service_state", service="redis.service", state="ill", user="app"}`:            1,
			`{__name__="keeper_service_state", service="redis.service", state="well", user="app"}`:           0,
			`{__name__="keeper_service_condition", condition="silent", service="redis.service", user="app"}`: 1,
			`{__name__="keeper_service_restarts_total", service="redis.service", user="app"}`:                2,
			`{__name__="keeper_service_probe_seconds", service="postgres.service", user="app"}`:              0.0015,
			`{__name__="keeper_service_since_timestamp_seconds", service="redis.service", user="app"}`:       seconds(noon),
			`{__name__="process_cpu_seconds_total"}`:                                                         12.34,
			`{__name__="process_resident_memory_bytes"}`:                                                     15 << 20,
		}
		maps.Copy(want, more.series)
		for series, value := range want {
			if v, ok := got.series[series]; !ok || v != value {
				t.Errorf("%v: %s is %v, %v, want %v", format.ContentType(), series, v, ok, value)
			}
		}
	}
}

// Prometheus's parser lets pass what the specification forbids.
func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range families {
		switch {
		case seen[f.name]:
			t.Errorf("%s is there twice", f.name)
		case strings.Trim(f.name, "abcdefghijklmnopqrstuvwxyz_") != "":
			t.Errorf("%s is no name", f.name)
		case f.unit != "" && !strings.HasSuffix(f.name, "_"+f.unit):
			t.Errorf("%s must end in its unit, %s", f.name, f.unit)
		case f.unit == "" && (strings.HasSuffix(f.name, "_seconds") || strings.HasSuffix(f.name, "_bytes")):
			t.Errorf("%s names a unit and has none", f.name)
		case strings.HasSuffix(f.name, "_total") || strings.HasSuffix(f.name, "_info") || strings.HasSuffix(f.name, "_created"):
			t.Errorf("%s ends in what its type adds", f.name)
		case f.help == "" || strings.ContainsAny(f.help, "\\\n\""):
			t.Errorf("%s: the help %q would have to be escaped", f.name, f.help)
		}
		seen[f.name] = true
	}
	text := Text(example(), OpenMetrics)
	if !strings.HasSuffix(string(text), "\n# EOF\n") || strings.Count(string(text), "# EOF") != 1 {
		t.Error("it must end in # EOF, and only end in it")
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	names := []string{`a"} 1` + "\n# EOF\n", `back\slash`, `\n`, "tab\tand\x00nul\x1b[2J", "ünï\u2028", "{}", "", `"`, strings.Repeat(`\"`, 300)}
	s := Snapshot{Status: control.Status{User: "a\"\n\\b", Daemon: control.Daemon{Release: "\n# EOF"}}}
	for _, name := range append(names, "bad\xff\xfe") {
		s.Status.Services = append(s.Status.Services, core.Service{Name: name, Kind: "x\ny", State: core.ServiceWell, Condition: "surprise"})
	}
	for _, format := range []Format{OpenMetrics, Plain} {
		got := parse(t, Text(s, format), format)
		for _, name := range append(names, "bad\uFFFD") {
			want := labels.FromStrings("__name__", "keeper_service_state", "service", name, "state", "well", "user", s.Status.User)
			if got.series[want.String()] != 1 {
				t.Errorf("%q did not come through as it is: %s", name, want)
			}
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("db.service", "v1")
	f.Add("\"\\\n", "\xff")
	f.Fuzz(func(t *testing.T, name, release string) {
		s := Snapshot{Status: control.Status{Daemon: control.Daemon{Release: release}, Services: []core.Service{{Name: name}}}}
		for _, format := range []Format{OpenMetrics, Plain} {
			if got := parse(t, Text(s, format), format); len(got.types) == 0 {
				t.Error("nothing was read")
			}
		}
	})
}

// What is not known is left out, and not said to be zero.
func TestNothingKnown(t *testing.T) {
	t.Parallel()
	for _, format := range []Format{OpenMetrics, Plain} {
		got := parse(t, Text(Snapshot{Status: control.Status{Linger: control.Linger{State: core.LingerUnknown}}}, format), format)
		for series := range got.series {
			for _, name := range []string{"keeper_linger", "keeper_last_", "process_", "keeper_service_"} {
				if strings.Contains(series, name) {
					t.Errorf("%s says more than is known", series)
				}
			}
		}
	}
}

// The lists hold all that core has.
func TestListsAreWhole(t *testing.T) {
	t.Parallel()
	strs := func(list any) []string {
		got := strings.Fields(strings.Trim(fmt.Sprint(list), "[]"))
		slices.Sort(got)
		return got
	}
	consts := constants(t, "../core")
	var decided []string
	for _, k := range consts["Kind"] {
		if (core.Action{Kind: core.Kind(k)}).Decided() {
			decided = append(decided, k)
		}
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"states": {strs(states), consts["ServiceState"]}, "conditions": {strs(conditions), consts["Condition"]},
		"causes": {strs(causes), consts["Cause"]}, "decisions": {strs(decisions), decided},
	} {
		if !slices.Equal(tt.got, tt.want) || len(tt.got) < 5 {
			t.Errorf("the %s are\n%q, and in core\n%q", name, tt.got, tt.want)
		}
	}
}

// constants returns the values of the constants of each type, in order.
func constants(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := v.Type.(*ast.Ident); ok && len(v.Values) == 1 {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, _ := strconv.Unquote(lit.Value)
					found[id.Name] = append(found[id.Name], s)
				}
			}
			return true
		})
	}
	for _, list := range found {
		slices.Sort(list)
	}
	return found
}

// docs/reference/metrics.md has a row for every metric, and for no other.
func TestDocs(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(data)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "`"); ok && strings.HasPrefix(line, "| `") {
			name, _, _ = strings.Cut(name, "{")
			rows = append(rows, name)
		}
	}
	var want []string
	for _, f := range families {
		want = append(want, f.sampleName())
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the table has\n%q, want\n%q", rows, want)
	}
}

func BenchmarkText(b *testing.B) {
	for _, n := range []int{4, 400} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			s := example()
			s.Status.Services = nil
			for i := range n {
				s.Status.Services = append(s.Status.Services, core.Service{Name: fmt.Sprintf("service-%d.service", i), Kind: core.ProbeHTTP, State: core.ServiceWell, Condition: core.ConditionReady, Since: noon})
			}
			for b.Loop() {
				if err := Write(io.Discard, s, OpenMetrics); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(Text(s, OpenMetrics))), "bytes")
		})
	}
}
