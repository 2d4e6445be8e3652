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
	"path/filepath"

	"keeper/deploy"
	"keeper/systemd"
)

// InstallOptions say what Install puts on a host, and how.
type InstallOptions struct {
	// Binary is the program on this machine; if empty, the one beside this
	// program. keeper-adopt and keeper-guard are taken from beside it.
	Binary string
	// Root installs as root for the account, where otherwise the account does it
	// in a login session of its own.
	Root bool
	// System puts in root's part, too, as root does by default. It implies Root.
	System bool
	// NoArmor leaves the armor out of root's part.
	NoArmor bool
}

// args are the options of install.sh.
func (o InstallOptions) args() []string {
	var args []string
	if o.Root || o.System {
		args = append(args, "--user", User)
	}
	if o.Root && !o.System {
		args = append(args, "--no-root")
	}
	if o.NoArmor {
		args = append(args, "--no-armor")
	}
	return args
}

// Install puts keeper on the host by deploy/install.sh.
func (h *Host) Install(ctx context.Context, o InstallOptions, out io.Writer) error {
	if o.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Binary = filepath.Join(filepath.Dir(self), "keeper")
	}
	var buf bytes.Buffer
	if err := tarKeeper(&buf, o.Binary); err != nil {
		return err
	}
	user, dir := User, "/home/"+User+"/keeper"
	if o.Root || o.System {
		user, dir = "root", "/root/keeper"
	}
	if err := h.CopyIn(ctx, user, dir, &buf); err != nil {
		return err
	}
	var said bytes.Buffer
	e := Exec{User: user, Login: user == User, Stdout: io.MultiWriter(out, &said), Stderr: io.MultiWriter(out, &said)}
	if err := h.Run(ctx, e, append([]string{"sh", dir + "/deploy/install.sh"}, o.args()...)...); err != nil {
		return fmt.Errorf("deploy/install.sh: %w: %s", err, tail(said.String(), 10))
	}
	return nil
}

// Uninstall takes out what Install put in: with System root's part alone, with Root
// both parts.
func (h *Host) Uninstall(ctx context.Context, o InstallOptions) (string, error) {
	if o.Root || o.System {
		args := []string{"sh", "/root/keeper/deploy/install.sh", "--uninstall", "--user", User}
		if o.System {
			args = append(args, "--system")
		}
		return h.Output(ctx, args...)
	}
	return h.UserOutput(ctx, "sh", "/home/"+User+"/keeper/deploy/install.sh", "--uninstall")
}

// tarKeeper packs what install.sh needs, laid out as in the repository.
func tarKeeper(w io.Writer, binary string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("no keeper to install: %w (make build)", err)
	}
	beside := map[string][]byte{"keeper-adopt": nil, "keeper-guard": nil}
	for name := range beside {
		if beside[name], err = os.ReadFile(filepath.Join(filepath.Dir(binary), name)); err != nil {
			return fmt.Errorf("no %s to install: %w (make build)", name, err)
		}
	}
	script, err := deploy.Files.ReadFile("install.sh")
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	add := func(name string, mode int64, data []byte) {
		if err == nil {
			err = t.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data))})
		}
		if err == nil {
			_, err = t.Write(data)
		}
	}
	add("bin/keeper", 0o755, program)
	for name, data := range beside {
		add("bin/"+name, 0o755, data)
	}
	add("deploy/install.sh", 0o644, script)
	walked := fs.WalkDir(systemd.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := systemd.Files.ReadFile(name)
		if err == nil {
			add("systemd/"+name, 0o644, data)
		}
		return err
	})
	return errors.Join(err, walked, t.Close())
}
