package quadlet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// File is one unit file as it is to be.
type File struct {
	// Name is that of the file: postgres.container.
	Name    string
	Content string
	Source  Source
}

// Service is the name of the unit that the generator makes of a file, where its
// ServiceName= does not say otherwise.
func Service(file string) string {
	base, kind, _ := cutLast(file, ".")
	switch kind {
	case "container", "kube":
		return base + ".service"
	}
	return base + "-" + kind + ".service"
}

// cutLast cuts around the last separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// The head of a file that keeper wrote. The second line says of what, for
// programs; the third is the check sum of all that follows it, by which keeper
// knows whether somebody edited the file since.
const (
	headLine   = "# Written by keeper. Edit it as you like: keeper then leaves it alone.\n"
	sourceLine = "# keeper-source: "
	sumLine    = "# keeper-sum: sha256:"
)

// header is what the second line says.
type header struct {
	Source
	// Sum is the check sum of the model that the file was made of.
	Sum string `json:"sum"`
}

// withHeader puts the head on a file.
func withHeader(body string, s Source, model any) string {
	data, _ := json.Marshal(model) // of plain values only: it cannot fail
	line, _ := json.Marshal(header{s, "sha256:" + sum(string(data))})
	return headLine + sourceLine + string(line) + "\n" + sumLine + sum(body) + "\n" + body
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// Origin is what the head of a file on disk says.
type Origin struct {
	// Ours: keeper wrote it. Edited: somebody changed it since.
	Ours, Edited bool
	Source       Source
}

// ReadOrigin reads the head of a unit file.
func ReadOrigin(content string) Origin {
	var o Origin
	rest, ours := strings.CutPrefix(content, headLine)
	line, rest, _ := strings.Cut(rest, "\n")
	text, marked := strings.CutPrefix(line, sourceLine)
	var h header
	if !ours || !marked || json.Unmarshal([]byte(text), &h) != nil {
		return o
	}
	o.Ours, o.Source = true, h.Source
	line, body, _ := strings.Cut(rest, "\n")
	o.Edited = line != sumLine+sum(body)
	return o
}

// Same says whether two files that keeper wrote say the same: their heads may
// tell of another source.
func Same(a, b string) bool { return body(a) == body(b) }

func body(content string) string {
	i := strings.Index(content, sumLine)
	if !strings.HasPrefix(content, headLine) || i < 0 {
		return content
	}
	_, rest, _ := strings.Cut(content[i:], "\n")
	return rest
}
