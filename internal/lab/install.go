package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"keeper/deploy"
	"keeper/systemd"
)

// Install puts keeper on the host by deploy/install.sh: as the account in a
// login session of its own, or with system as root for the account. binary is
// the program on this machine; if empty, the one beside this program.
func (h *Host) Install(ctx context.Context, binary string, system bool, out io.Writer) error {
	if binary == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		binary = filepath.Join(filepath.Dir(self), "keeper")
	}
	var buf bytes.Buffer
	if err := tarKeeper(&buf, binary); err != nil {
		return err
	}
	user, dir := User, "/home/"+User+"/keeper"
	args := []string{"sh", dir + "/deploy/install.sh"}
	if system {
		user, dir = "root", "/root/keeper"
		args = []string{"sh", dir + "/deploy/install.sh", "--user", User}
	}
	if err := h.CopyIn(ctx, user, dir, &buf); err != nil {
		return err
	}
	var said bytes.Buffer
	e := Exec{User: user, Login: !system, Stdout: io.MultiWriter(out, &said), Stderr: io.MultiWriter(out, &said)}
	if err := h.Run(ctx, e, args...); err != nil {
		return fmt.Errorf("deploy/install.sh: %w: %s", err, tail(said.String(), 10))
	}
	return nil
}

// Uninstall takes keeper out again, in the way it was put in.
func (h *Host) Uninstall(ctx context.Context, system bool) (string, error) {
	if system {
		return h.Output(ctx, "sh", "/root/keeper/deploy/install.sh", "--uninstall", "--user", User)
	}
	return h.UserOutput(ctx, "sh", "/home/"+User+"/keeper/deploy/install.sh", "--uninstall")
}

// tarKeeper packs what install.sh needs, laid out as in the repository.
func tarKeeper(w io.Writer, binary string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("no keeper to install: %w (make build)", err)
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
	add("deploy/install.sh", 0o644, script)
	units, rerr := systemd.Files.ReadDir(".")
	if rerr != nil {
		return rerr
	}
	for _, u := range units {
		data, rerr := systemd.Files.ReadFile(u.Name())
		if rerr != nil {
			return rerr
		}
		add("systemd/"+u.Name(), 0o644, data)
	}
	return errors.Join(err, t.Close())
}
