package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"keeper/deploy"
)

// MinIO is in no distribution; upstream is archived, so this stays.
const minioModule = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"

// Services are the units of the demo stack, stores first.
var Services = []string{"postgres", "redis", "minio", "django"}

// ensureMinio returns a directory with the program minio.
func ensureMinio(ctx context.Context, c *cache) (dir, key string, err error) {
	key = digest(minioModule)
	dir, err = c.ensure("minio", key, func(dir string) error {
		c.say("building MinIO from its Go module (about four minutes on two cores)")
		cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags", "-s -w", minioModule)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+dir, "GOFLAGS=-buildvcs=false", "GOWORK=off")
		return quiet(cmd)
	})
	return dir, key, err
}

// ensureStack returns a directory whose home/ is the account's home directory
// with the images of the stack in its container storage. The images are built
// by the host's own rootless Podman, as a user would build them.
func ensureStack(ctx context.Context, c *cache, rootfsKey string) (string, error) {
	minio, minioKey, err := ensureMinio(ctx, c)
	if err != nil {
		return "", err
	}
	base, baseKey, err := ensureBaseImage(c)
	if err != nil {
		return "", err
	}
	images, err := digestFS(deploy.Files, "demo/images")
	if err != nil {
		return "", err
	}
	build, err := deploy.Files.ReadFile("demo/build.sh")
	if err != nil {
		return "", err
	}
	key := digest(rootfsKey, minioKey, baseKey, images, string(build))
	return c.ensure("stack", key, func(dir string) error {
		c.say("building the stack's images with the host's Podman (about three minutes)")
		rootfs := filepath.Join(c.dir, "rootfs-"+rootfsKey)
		home := filepath.Join(dir, "home")
		if err := quiet(exec.CommandContext(ctx, "cp", "--archive", filepath.Join(rootfs, "home"), home)); err != nil {
			return err
		}
		h, err := Up(ctx, Options{Name: fmt.Sprintf("build-%d", os.Getpid()), Tied: true, Say: c.say, home: home, internet: true})
		if err != nil {
			return err
		}
		return errors.Join(buildImages(ctx, h, base, minio, c.say), h.Down())
	})
}

func buildImages(ctx context.Context, h *Host, base, minio string, say func(string, ...any)) error {
	if err := h.Linger(ctx); err != nil {
		return err
	}
	if err := h.copyDemo(ctx, "/var/tmp/demo"); err != nil {
		return err
	}
	for _, file := range []string{filepath.Join(base, "base.tar"), filepath.Join(minio, "minio")} {
		if err := h.copyFile(ctx, file, "/var/tmp/"+filepath.Base(file)); err != nil {
			return err
		}
	}
	out := &lineWriter{say: say}
	e := Exec{User: User, Stdout: out, Stderr: out}
	if err := h.Run(ctx, e, "sh", "/var/tmp/demo/build.sh", "/var/tmp/base.tar", "/var/tmp/minio"); err != nil {
		return fmt.Errorf("building the images: %w\n%s", err, tail(out.all.String(), 40))
	}
	// On disk before the host is cut off.
	_, err := h.Output(ctx, "sync")
	return err
}

// copyDemo puts deploy/demo on the host, owned by the account.
func (h *Host) copyDemo(ctx context.Context, dir string) error {
	var buf bytes.Buffer
	if err := tarFS(&buf, deploy.Files, "demo"); err != nil {
		return err
	}
	return h.CopyIn(ctx, User, dir, &buf)
}

// copyFile writes one file of this machine into the host as the account.
func (h *Host) copyFile(ctx context.Context, from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return h.Run(ctx, Exec{User: User, Stdin: f}, "sh", "-ec", `cat >"$1" && chmod 755 "$1"`, "copy", to)
}

// tarFS writes the files below root, their names relative to it.
func tarFS(w io.Writer, fsys fs.FS, root string) error {
	sub, err := fs.Sub(fsys, root)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	err = fs.WalkDir(sub, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(sub, path)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err = t.Write(data)
		return err
	})
	return errors.Join(err, t.Close())
}

// DeployStack starts the demo stack as a user would and waits until it answers.
func (h *Host) DeployStack(ctx context.Context, say func(string, ...any)) error {
	if err := h.Linger(ctx); err != nil {
		return err
	}
	if err := h.copyDemo(ctx, "/home/"+User+"/demo"); err != nil {
		return err
	}
	start := "/home/" + User + "/demo/start.sh"
	if h.plain {
		start = "/home/" + User + "/demo/plain/start.sh"
	}
	say("starting the stack: %s", strings.Join(Services, ", "))
	if _, err := h.UserOutput(ctx, "sh", start); err != nil {
		return err
	}
	return h.WaitReady(ctx, 2*time.Minute)
}

// Linger gives the account a user manager that needs no session.
func (h *Host) Linger(ctx context.Context) error {
	if _, err := h.UserOutput(ctx, "loginctl", "enable-linger", User); err != nil {
		return err
	}
	return h.WaitUserManager(ctx)
}

// WaitUserManager waits until the account's user manager has started up.
func (h *Host) WaitUserManager(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		out, err := h.UserOutput(ctx, "systemctl", "--user", "is-system-running", "--wait")
		if state := strings.TrimSpace(out); state == "running" || state == "degraded" {
			return nil
		}
		if perr := pause(ctx, 50*time.Millisecond); perr != nil {
			return errors.Join(perr, err)
		}
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// lineWriter keeps what a build prints, and passes on as progress the lines
// that build.sh wrote itself.
type lineWriter struct {
	say  func(string, ...any)
	all  bytes.Buffer
	part []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.all.Write(p)
	w.part = append(w.part, p...)
	for {
		i := bytes.IndexByte(w.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		if line := w.part[:i]; bytes.HasPrefix(line, []byte("building ")) {
			w.say("  %s", line)
		}
		w.part = w.part[i+1:]
	}
}
