package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkProcess runs the hook as an agent does, as a whole process, for the command
// of the incident and for a harmless one, in turns with /bin/true. It reports the
// medians, the ratio to /bin/true, and the peak memory. go test -bench Process
// -benchtime 300x ./cmd/keeper-guard
func BenchmarkProcess(b *testing.B) {
	home := b.TempDir()
	program := filepath.Join(home, "keeper-guard")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	quadlets := filepath.Join(home, ".config/containers/systemd")
	if err := os.MkdirAll(quadlets, 0o700); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"postgres", "redis", "minio", "django"} {
		if err := os.WriteFile(filepath.Join(quadlets, name+".container"), []byte("[Container]\nContainerName="+name+"\nImage=x\nVolume="+name+".volume:/data\n"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	event := func(command string) []byte {
		return []byte(`{"hook_event_name":"PreToolUse","tool_name":"Bash","cwd":"` + home + `","tool_input":{"command":"` + command + `"}}`)
	}
	var peak int64
	run := func(in []byte, argv ...string) time.Duration {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + home}
		cmd.Stdin = bytes.NewReader(in)
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		took := time.Since(begin)
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && len(argv) > 1 {
			peak = max(peak, usage.Maxrss)
		}
		return took
	}
	var nothing, harmless, deadly []time.Duration
	for b.Loop() {
		nothing = append(nothing, run(nil, "/bin/true"))
		harmless = append(harmless, run(event("go test ./... && git status"), program, "hook", "claude"))
		deadly = append(deadly, run(event("loginctl terminate-user flowstate"), program, "hook", "claude"))
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2].Microseconds()) / 1000
	}
	b.ReportMetric(median(nothing), "true-ms")
	b.ReportMetric(median(harmless), "harmless-ms")
	b.ReportMetric(median(deadly), "refused-ms")
	b.ReportMetric(median(deadly)/median(nothing), "refused/true")
	b.ReportMetric(float64(peak), "peak-KiB")
}
