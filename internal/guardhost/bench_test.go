package guardhost

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const benchQuadlet = `# A service of the stack
[Unit]
Description=Service %[1]d
Requires=db%[1]d.service
After=db%[1]d.service

[Container]
Image=localhost/app:latest
ContainerName=app%[1]d
Network=back.network
Volume=data%[1]d.volume:/var/lib/app
Volume=%%h/src/app%[1]d:/app
PublishPort=127.0.0.1:%[2]d:8000
Environment=A=1 B=2 C=3
HealthCmd=curl -f http://127.0.0.1:8000/readyz

[Service]
Restart=always
TimeoutStartSec=900

[Install]
WantedBy=default.target
`

// bench is an account with so many Quadlet files.
func bench(b *testing.B, n int, copies bool) Account {
	b.Helper()
	a := newHome(b, nil)
	for i := range n {
		text := fmt.Sprintf(benchQuadlet, i, 10000+i)
		source := a.quadlet(b, fmt.Sprintf("app%d.container", i), text)
		if copies {
			put(b, filepath.Join(a.Paths.Copies, url.PathEscape(source)), text)
		}
	}
	return a
}

// What Load costs, beside reading the same files and doing nothing with them.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{0, 10, 400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := bench(b, n, true)
			dir := a.Home + "/work/ledger"
			var loading, reading time.Duration
			for b.Loop() {
				at := time.Now()
				if h, _, mistakes := a.Load(dir, noon); len(h.Containers) != n || len(mistakes) > 0 {
					b.Fatal(len(h.Containers), mistakes)
				}
				loading += time.Since(at)
				at = time.Now()
				entries, err := os.ReadDir(a.Paths.Quadlets[1])
				if err != nil && n > 0 {
					b.Fatal(err)
				}
				for _, e := range entries {
					if _, err := os.ReadFile(filepath.Join(a.Paths.Quadlets[1], e.Name())); err != nil {
						b.Fatal(err)
					}
				}
				reading += time.Since(at)
			}
			b.ReportMetric(float64(loading.Microseconds())/float64(b.N), "load-µs/op")
			b.ReportMetric(float64(reading.Microseconds())/float64(b.N), "read-µs/op")
			b.ReportMetric(float64(loading)/float64(reading), "ratio")
		})
	}
}
