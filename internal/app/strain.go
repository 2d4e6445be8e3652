package app

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// strained is the part of the last ten seconds, in percent, in which nothing on the
// host got on with its work: more than that, and a server that says nothing within
// its time says nothing about itself.
const strained = 50

// pressureDir has what the kernel tells of who waits for what (PSI). Some kernels
// are not asked to tell: then nothing is known.
const pressureDir = "/proc/pressure"

// Strain is engine.Prober.
func (p prober) Strain() string { return strain(pressureDir) }

func strain(dir string) string {
	for _, of := range []struct{ file, what string }{{"io", "disks"}, {"memory", "memory"}} {
		data, err := os.ReadFile(dir + "/" + of.file)
		if err != nil {
			continue
		}
		if part := stalled(string(data)); part >= strained {
			return fmt.Sprintf("all that runs on this machine waited for its %s %.0f %% of the last ten seconds", of.what, part)
		}
	}
	return ""
}

// stalled reads the average of ten seconds of the line "full avg10=… avg60=…".
func stalled(pressure string) float64 {
	for line := range strings.Lines(pressure) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "full" {
			continue
		}
		if part, err := strconv.ParseFloat(strings.TrimPrefix(f[1], "avg10="), 64); err == nil {
			return part
		}
	}
	return 0
}
