package metrics

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Format is one of the two formats that Prometheus and its kin read.
type Format int

// The formats. Plain is the one before OpenMetrics, which everybody reads.
const (
	OpenMetrics Format = iota
	Plain
)

// ContentType is what HTTP says of it.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// kind is the type of a family.
type kind string

const (
	gauge   kind = "gauge"
	counter kind = "counter"
	info    kind = "info"
)

// family is a metric: its name without what its type adds, and its samples. unit
// is the end of the name, as OpenMetrics wants it.
type family struct {
	name    string
	kind    kind
	unit    string
	help    string
	samples func(s *Snapshot, add func(sample))
}

// sample is one line. labels are names and values in turn.
type sample struct {
	value   float64
	created time.Time // of a counter
	labels  []string
}

// sampleName is the name that the samples have in both formats.
func (f family) sampleName() string {
	switch f.kind {
	case counter:
		return f.name + "_total"
	case info:
		return f.name + "_info"
	}
	return f.name
}

// Text writes the snapshot down. It does the same for the same snapshot.
func Text(s Snapshot, format Format) []byte {
	w := writer{format: format, user: s.Status.User}
	for _, f := range families {
		begun := false
		f.samples(&s, func(one sample) {
			if !begun {
				w.head(f)
				begun = true
			}
			w.sample(f, one)
		})
	}
	if format == OpenMetrics {
		w.b.WriteString("# EOF\n")
	}
	return w.b.Bytes()
}

type writer struct {
	b      bytes.Buffer
	format Format
	// user is a label of every metric of keeper's own: the files of several
	// accounts are read by one node_exporter.
	user string
}

func (w *writer) head(f family) {
	// In OpenMetrics the family of x_total is x; in the format before, it is x_total,
	// and there are no infos and no units.
	name, kind := f.name, f.kind
	if w.format == Plain {
		name = f.sampleName()
		if kind == info {
			kind = gauge
		}
	}
	w.line("# HELP ", name, " ", f.help)
	w.line("# TYPE ", name, " ", string(kind))
	if f.unit != "" && w.format == OpenMetrics {
		w.line("# UNIT ", name, " ", f.unit)
	}
}

func (w *writer) sample(f family, s sample) {
	if strings.HasPrefix(f.name, "keeper_") {
		s.labels = append([]string{"user", w.user}, s.labels...)
	}
	w.series(f.sampleName(), s.labels, s.value)
	if f.kind == counter && w.format == OpenMetrics && !s.created.IsZero() {
		w.series(f.name+"_created", s.labels, seconds(s.created))
	}
}

func (w *writer) series(name string, labels []string, value float64) {
	w.b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		w.b.WriteByte("{,"[min(i, 1)])
		w.b.WriteString(labels[i])
		w.b.WriteString(`="`)
		// Both formats: backslash, quote and line feed are escaped, and the rest is
		// UTF-8.
		_, _ = escaper.WriteString(&w.b, strings.ToValidUTF8(labels[i+1], "\uFFFD")) // into memory
		w.b.WriteByte('"')
	}
	if len(labels) > 0 {
		w.b.WriteByte('}')
	}
	w.b.WriteByte(' ')
	w.b.Write(strconv.AppendFloat(w.b.AvailableBuffer(), value, 'f', -1, 64))
	w.b.WriteByte('\n')
}

func (w *writer) line(parts ...string) {
	for _, p := range parts {
		w.b.WriteString(p)
	}
	w.b.WriteByte('\n')
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// seconds is a time as metrics have it, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
