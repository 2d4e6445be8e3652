package metrics

import (
	"bufio"
	"bytes"
	"io"
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

// sample is one line. A label without a name is none.
type sample struct {
	value   float64
	created time.Time // of a counter
	labels  [2]label
}

type label struct{ name, value string }

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

// Write writes the snapshot down, piece by piece: with hundreds of services it is
// a megabyte. It writes the same for the same snapshot.
func Write(to io.Writer, s Snapshot, format Format) error {
	w := writer{b: bufio.NewWriter(to), format: format, user: s.Status.User}
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
		w.text("# EOF\n")
	}
	return w.b.Flush()
}

// Text is what Write writes.
func Text(s Snapshot, format Format) []byte {
	var b bytes.Buffer
	_ = Write(&b, s, format) // into memory
	return b.Bytes()
}

// writer keeps the first error until it is flushed.
type writer struct {
	b      *bufio.Writer
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
	w.text("# HELP ", name, " ", f.help, "\n# TYPE ", name, " ", string(kind), "\n")
	if f.unit != "" && w.format == OpenMetrics {
		w.text("# UNIT ", name, " ", f.unit, "\n")
	}
}

func (w *writer) sample(f family, s sample) {
	w.series(f, f.sampleName(), s, s.value)
	if f.kind == counter && w.format == OpenMetrics && !s.created.IsZero() {
		w.series(f, f.name+"_created", s, seconds(s.created))
	}
}

func (w *writer) series(f family, name string, s sample, value float64) {
	w.text(name)
	var user label
	if strings.HasPrefix(f.name, "keeper_") {
		user = label{"user", w.user}
	}
	sep := "{"
	for _, l := range [...]label{user, s.labels[0], s.labels[1]} {
		if l.name == "" {
			continue
		}
		w.text(sep, l.name, `="`)
		// Both formats: backslash, quote and line feed are escaped, and the rest is
		// UTF-8.
		_, _ = escaper.WriteString(w.b, strings.ToValidUTF8(l.value, "\uFFFD"))
		w.text(`"`)
		sep = ","
	}
	if sep == "," {
		w.text("}")
	}
	w.text(" ")
	_, _ = w.b.Write(strconv.AppendFloat(w.b.AvailableBuffer(), value, 'f', -1, 64))
	w.text("\n")
}

func (w *writer) text(parts ...string) {
	for _, p := range parts {
		_, _ = w.b.WriteString(p)
	}
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// seconds is a time as metrics have it, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
