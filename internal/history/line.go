package history

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"keeper/internal/core"
)

// A line of the log is the CRC-32C of the rest in eight hex digits, a space, an
// entry as JSON, and a line feed, which JSON has none of. What was cut, overwritten, or
// filled with zeros by the file system does not fit its sum, and the next line feed
// ends it.

// lineSize bounds a line: what is longer is not written, and not believed.
const lineSize = 1 << 20

// castagnoli is made when it is asked for: that takes a tenth of a millisecond.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// encode makes a line of an entry. Of one that cannot be kept it says so: no entry may
// hold up those behind it.
func encode(e core.Entry, now time.Time) []byte {
	data, err := json.Marshal(e)
	if err == nil && len(data) > lineSize-10 {
		err = fmt.Errorf("it is %d bytes long", len(data))
	}
	if err != nil {
		// The time of such a one may be what JSON cannot say.
		data, _ = json.Marshal(core.Entry{At: time.Unix(now.Unix(), 0).UTC(), Kind: core.EntryTrouble, Unit: short(e.Unit),
			What: "an entry could not be kept: " + short(e.What), Why: short(err.Error())})
	}
	line := make([]byte, 0, len(data)+10)
	line = fmt.Appendf(line, "%08x ", crc32.Checksum(data, castagnoli()))
	return append(append(line, data...), '\n')
}

// trusted is what a line has behind its checksum, if that is right.
func trusted(line []byte) ([]byte, bool) {
	var sum [4]byte
	if len(line) < 10 || line[8] != ' ' {
		return nil, false
	}
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return nil, false
	}
	return line[9:], binary.BigEndian.Uint32(sum[:]) == crc32.Checksum(line[9:], castagnoli())
}

// recordOf names the incident or drill that the entry has all of.
func recordOf(e core.Entry) string {
	switch {
	case e.Incident != nil:
		return "incident " + e.Incident.ID
	case e.Drill != nil:
		return "drill " + e.Drill.ID
	}
	return ""
}

func short(s string) string {
	const most = 500
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// decode returns the entry of a line. What is no text to show is replaced in it: a
// terminal may be where it ends up.
func decode(data []byte) (core.Entry, bool) {
	var e core.Entry
	if json.Unmarshal(data, &e) != nil {
		return core.Entry{}, false
	}
	// Most have nothing but ASCII and no escapes: JSON writes control characters as
	// such.
	if bytes.IndexByte(data, '\\') >= 0 || bytes.ContainsFunc(data, func(r rune) bool { return r >= utf8.RuneSelf || r == 0x7f }) {
		clean(reflect.ValueOf(&e).Elem())
	}
	return e, true
}

// clean replaces in all texts below v what would do something to a terminal rather
// than be shown on it.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Map(func(r rune) rune {
			switch {
			case r == '\n', r == '\r', r == '\t':
				return ' '
			case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
				return '\uFFFD'
			}
			return r
		}, v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() { // a time has nothing that can be
				clean(v.Field(i))
			}
		}
	}
}
