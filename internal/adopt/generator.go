package adopt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"keeper/internal/podman/compile"
	"keeper/internal/quadlet"
)

// Generators are where distributions have Podman's generator.
var Generators = []string{
	"/usr/libexec/podman/quadlet",
	"/usr/lib/podman/quadlet",
	"/usr/lib/systemd/user-generators/podman-user-generator",
}

// FindGenerator returns the first that is there, or nothing.
func FindGenerator() string {
	for _, g := range Generators {
		if fi, err := os.Stat(g); err == nil && fi.Mode()&0o111 != 0 {
			return g
		}
	}
	return ""
}

// dryRun is what the generator said.
type dryRun struct {
	// made are the names of the units.
	made map[string]bool
	// text is each unit, complaints the lines on standard error.
	text       map[string]string
	complaints []string
}

const generatorLimit = 20 * time.Second

// generator has the host's generator read the files, in a directory of their own,
// and changes nothing (podman-systemd.unit(5): -dryrun, QUADLET_UNIT_DIRS).
func (a *Adopter) generator(ctx context.Context, files []compile.File) (dryRun, error) {
	out := dryRun{made: map[string]bool{}, text: map[string]string{}}
	if err := os.MkdirAll(a.Places.Scratch, 0o700); err != nil {
		return out, fmt.Errorf("cannot have the units checked: %w", err)
	}
	dir, err := os.MkdirTemp(a.Places.Scratch, "check-*")
	if err != nil {
		return out, fmt.Errorf("cannot have the units checked: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // below /run: it goes with the session
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(f.Content), 0o600)); err != nil {
			return out, fmt.Errorf("cannot have the units checked: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, generatorLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.Places.Generator, "-dryrun", "-user")
	cmd.Env = append(os.Environ(), "QUADLET_UNIT_DIRS="+dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return out, fmt.Errorf("cannot have the units checked: %s did not end within %s", a.Places.Generator, generatorLimit)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return out, fmt.Errorf("cannot have the units checked: %w", err)
	}
	out.read(stdout.String(), stderr.String(), dir)
	return out, nil
}

// GeneratorVersion asks the host's generator for its version, which is Podman's.
func (a *Adopter) GeneratorVersion(ctx context.Context) (quadlet.Version, error) {
	if a.Places.Generator == "" {
		return quadlet.Version{}, errors.New("this host's Quadlet generator was not found")
	}
	ctx, cancel := context.WithTimeout(ctx, generatorLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, a.Places.Generator, "-version").Output()
	if err != nil {
		return quadlet.Version{}, fmt.Errorf("cannot ask %s for its version: %w", a.Places.Generator, err)
	}
	return quadlet.ParseVersion(string(out))
}

// read takes the output apart: ---NAME--- and a unit, again and again.
func (d *dryRun) read(stdout, stderr, dir string) {
	name := ""
	var text strings.Builder
	end := func() {
		if name != "" {
			d.made[name], d.text[name] = true, text.String()
		}
		text.Reset()
	}
	for line := range strings.Lines(stdout) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "---"); ok && strings.HasSuffix(n, "---") && strings.HasSuffix(strings.TrimSuffix(n, "---"), ".service") {
			end()
			name = filepath.Base(strings.TrimSuffix(n, "---"))
			continue
		}
		text.WriteString(line)
	}
	end()
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		_, said, ok := strings.Cut(line, "]: ")
		if !ok {
			said = line
		}
		said = strings.ReplaceAll(said, dir+"/", "")
		if strings.HasPrefix(said, "Loading source unit file") || said == "" {
			continue
		}
		d.complaints = append(d.complaints, said)
	}
}

// about returns what was said against a file.
func (d dryRun) about(file string) string {
	for _, c := range d.complaints {
		if strings.HasPrefix(c, "Warning: ") {
			continue // it makes a unit all the same
		}
		if strings.Contains(c, `"`+file+`"`) || strings.Contains(c, "'"+file+"'") || strings.Contains(c, " "+file) || strings.HasPrefix(c, file) {
			if _, why, ok := strings.Cut(c, `converting "`+file+`": `); ok {
				return why
			}
			return c
		}
	}
	return ""
}
