package podman

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/quadlet"
)

// program is the image and what of it runs, as whom and where.
func (m *maker) program() {
	m.imageName()
	c := m.d.Config
	entrypoint, command := []string(nil), []string(nil)
	var user, workdir string
	if i := m.image.Config; i != nil {
		entrypoint, command, user, workdir = i.Entrypoint, i.Cmd, i.User, i.WorkingDir
	}
	// podman run with --entrypoint forgets the command of the image.
	forgotten := len(c.Cmd) == 0 && len(command) > 0
	if have := m.entrypoint(entrypoint); !slices.Equal(have, entrypoint) || forgotten {
		m.out.Entrypoint = append([]string{}, have...)
		if len(have) == 1 && have[0] == "" {
			m.out.Entrypoint = []string{} // --entrypoint ""
		}
		m.out.Command = slices.Clone(c.Cmd)
	} else if !slices.Equal(c.Cmd, command) {
		m.out.Command = slices.Clone(c.Cmd)
	}
	if slices.ContainsFunc(m.out.Command, quadlet.NoWord) && m.out.Entrypoint == nil {
		// Exec= cannot hold such an argument, and an entrypoint can.
		m.out.Entrypoint = append([]string{}, entrypoint...)
	}
	if c.User != user && !m.keepIDUser() {
		m.setIf("user", c.User)
	}
	if workdir == "" {
		workdir = "/"
	}
	if c.WorkingDir != "" && c.WorkingDir != workdir {
		m.set("workdir", c.WorkingDir)
	}
}

// entrypoint is that of the container. Before 5.0 Podman tells it as one string
// with spaces in between, which may be part of the words as well.
func (m *maker) entrypoint(image []string) []string {
	have := m.d.Config.Entrypoint
	if slices.Equal(have, image) || !m.old() {
		return have
	}
	if strings.Join(have, " ") == strings.Join(image, " ") {
		return image
	}
	given, ok := m.cmd.last("entrypoint")
	if !ok {
		return have
	}
	var words []string
	if json.Unmarshal([]byte(given), &words) != nil {
		words = []string{given}
	}
	return words
}

// old says that the answers are those of Podman 4.
func (m *maker) old() bool {
	v, err := quadlet.ParseVersion(m.f.Release)
	return err == nil && v.Major < 5
}

// keepIDUser says that the user is the one that --userns=keep-id chooses.
func (m *maker) keepIDUser() bool {
	_, given := m.cmd.last("user")
	of := m.d
	if m.infra != nil && m.d.HostConfig.UsernsMode == "container:"+m.infra.ID {
		of = m.infra
	}
	uid, gid, ok := keepID(of.HostConfig.IDMappings)
	return !given && ok && m.d.Config.User == uid+":"+gid
}

// imageName finds the name that brings the same image again.
func (m *maker) imageName() {
	name := m.d.ImageName
	if name == "" {
		name = m.d.Config.Image
	}
	m.out.Image = name
	now, known := m.f.Names[name]
	switch {
	case m.d.Rootfs != "":
		return
	case name == "" || strings.HasPrefix(m.d.Image, name) || strings.HasPrefix(name, "sha256:") || strings.Contains(name, "<none>"):
		m.out.Image, m.out.PullNever = m.d.Image, true
		m.hint("image", "podman tag "+short(m.d.Image)+" NAME", "its image has no name: the unit asks for the ID, and once the image is removed nothing brings it back")
	case !known || now != m.d.Image:
		m.out.Image, m.out.PullNever = m.d.Image, true
		where := "does not stand for an image of this host any more"
		if known {
			where = "stands for " + short(now) + " now"
		}
		m.note(quadlet.Note{
			Level: quadlet.Stop, Field: "image", Accept: "image",
			Text: "it was made of image " + short(m.d.Image) + ", and " + name + " " + where + ": the unit would ask for the ID",
			Try:  "make the container anew from the image you want, or accept the ID",
		})
	case strings.HasPrefix(name, "localhost/"):
		m.out.PullNever = true
	}
}

func short(id string) string { return id[:min(len(id), 12)] }

// environment is what the image and Podman do not set by themselves.
func (m *maker) environment() {
	have := map[string]string{}
	for _, e := range m.d.Config.Env {
		key, value, _ := strings.Cut(e, "=")
		have[key] = value
	}
	image := map[string]string{}
	if m.image.Config != nil {
		for _, e := range m.image.Config.Env {
			key, value, _ := strings.Cut(e, "=")
			image[key] = value
		}
	}
	given := map[string]bool{}
	for _, e := range m.cmd.all("env") {
		key, _, _ := strings.Cut(e, "=")
		given[key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		value := have[key]
		if in, ok := image[key]; ok && in == value {
			continue
		}
		if hidden(value) || !given[key] && m.podmansVariable(key, value, image) {
			continue
		}
		m.set("env", key+"="+value)
		if quadlet.LooksSecret(key, value) {
			m.hint("env."+key, "keeper adopt --secrets", "%s looks like a secret: it would stand in the unit, readable for all who can read that file and in podman inspect", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(image)) {
		if _, ok := have[key]; !ok && key != "PATH" && key != "TERM" {
			m.set("unsetenv", key)
		}
	}
	m.secrets(have)
}

// podmansVariable says that Podman sets a variable by itself.
func (m *maker) podmansVariable(key, value string, image map[string]string) bool {
	switch key {
	case "container", "PODMAN_SYSTEMD_UNIT", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES":
		return true
	case "HOME", "HOSTNAME":
		_, ours := image[key]
		return !ours || key == "HOSTNAME"
	case "TERM":
		return value == "xterm"
	case "PATH":
		return value == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	// Podman passes the proxies of the process that made it (--http-proxy).
	return slices.Contains([]string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"}, key) &&
		m.cmd.known && len(m.cmd.all("env-file")) == 0
}

// hidden says that this is a secret's name in place of a variable's: inspecting
// a container that was started once shows SECRET=******* for VARIABLE=value.
func hidden(value string) bool { return value == "*******" }

// secrets are those mounted, as inspecting tells them, and those in variables,
// of which it tells the name alone.
func (m *maker) secrets(env map[string]string) {
	recorded := map[string]string{}
	for _, s := range m.cmd.all("secret") {
		name, _, _ := strings.Cut(s, ",")
		if strings.Contains(s, "type=env") {
			m.set("secret", s)
			continue
		}
		recorded[name] = s
	}
	for _, s := range m.d.Config.Secrets {
		if s == nil {
			continue
		}
		if r, ok := recorded[s.Name]; ok {
			m.set("secret", r)
			continue
		}
		m.set("secret", secretValue(s.Name, s.UID, s.GID, s.Mode))
		m.lost("secret", "where secret %s is mounted is not recorded: /run/secrets/%s is assumed", s.Name, s.Name)
	}
	if m.cmd.known {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		if hidden(env[key]) {
			m.lost("secret", "secret %s is in a variable of its environment, and which one is not recorded", key)
		}
	}
}

// labels are those that the image does not bring and nobody sets by himself.
func (m *maker) labels() {
	for _, key := range slices.Sorted(maps.Keys(m.d.Config.Labels)) {
		value := m.d.Config.Labels[key]
		if in, ok := m.image.Labels[key]; ok && in == value || toolsOwn(key) {
			continue
		}
		m.set("label", key+"="+value)
	}
}

// toolsOwn says that a label belongs to whatever made the thing: it would claim
// that this still looks after it.
func toolsOwn(key string) bool {
	return key == "PODMAN_SYSTEMD_UNIT" || key == "io.containers.autoupdate.authfile" ||
		strings.HasPrefix(key, "io.podman.compose.") || strings.HasPrefix(key, "com.docker.compose.")
}

// secretValue leaves out what podman-run(1) says are the defaults: 0, 0, 0444.
func secretValue(name string, uid, gid, mode uint32) string {
	value := name
	if uid != 0 {
		value += ",uid=" + strconv.FormatUint(uint64(uid), 10)
	}
	if gid != 0 {
		value += ",gid=" + strconv.FormatUint(uint64(gid), 10)
	}
	if mode != 0o444 {
		value += fmt.Sprintf(",mode=%04o", mode)
	}
	return value
}
