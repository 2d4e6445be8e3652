package core

import (
	"math/rand/v2"
	"testing"
)

// bytesSource draws from bytes instead of chance, so that the fuzzer writes the
// story: one byte for each choice.
type bytesSource struct {
	rest []byte
	more uint64 // once they are used up; what stands still could be drawn from for ever
}

func (b *bytesSource) Uint64() uint64 {
	if len(b.rest) == 0 {
		b.more += 0x9e3779b97f4a7c15
		return b.more
	}
	next := b.rest[0]
	b.rest = b.rest[1:]
	return uint64(next) * 0x0101010101010101
}

// FuzzDecide has the fuzzer look for a story in which Decide breaks one of the
// rules that TestSuperviseProperties goes by.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 5))
		story := make([]byte, 500)
		for i := range story {
			story[i] = byte(r.Uint32())
		}
		f.Add(story)
	}
	f.Fuzz(func(t *testing.T, story []byte) {
		src := &bytesSource{rest: story[:min(len(story), 2000)]}
		n := newNight(rand.New(src))
		for len(src.rest) > 0 {
			if why := n.tell(); why != "" {
				t.Fatal(why)
			}
		}
	})
}
