package compose

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// secretName is Podman's rule.
var secretName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}$`)

// useSecrets names podman secrets. Compose puts a secret at the name that the
// file has for it, and Podman at the name of the secret.
func (s *service) useSecrets() error {
	for _, use := range s.in.Secrets {
		secret := s.project.Secrets[use.Source]
		name := secret.Name
		if !secretName.MatchString(name) {
			return s.fail("give it another name:", []string{"secrets", use.Source}, "%q cannot be the name of a podman secret: letters, digits, _, . and - are allowed", name)
		}
		s.secrets[use.Source] = true
		if !slices.Contains(s.used, name) {
			s.used = append(s.used, name)
		}
		target := use.Target
		if target == "" {
			target = use.Source
		}
		if !path.IsAbs(target) {
			target = "/run/secrets/" + target
		}
		if strings.Contains(target, ",") {
			return s.fails("another target:", "secrets", "a comma in the target %s", target)
		}
		text := name
		if target != "/run/secrets/"+name {
			text += ",type=mount,target=" + target
		}
		if use.UID != "" && use.UID != "0" {
			text += ",uid=" + use.UID
		}
		if use.GID != "" && use.GID != "0" {
			text += ",gid=" + use.GID
		}
		if use.Mode != nil && *use.Mode != 0o444 { // Compose's default and Podman's
			text += fmt.Sprintf(",mode=%04o", int64(*use.Mode))
		}
		s.set("secret", text)
	}
	return nil
}

// addSecrets are those that are to be made; the value is never part of the
// model.
func (m *mapper) addSecrets() {
	for _, key := range slices.Sorted(maps.Keys(m.secrets)) {
		secret := m.project.Secrets[key]
		switch {
		case bool(secret.External):
		case secret.File != "":
			m.stack.Secrets = append(m.stack.Secrets, quadlet.Secret{Name: secret.Name, File: secret.File})
		default:
			m.stack.Secrets = append(m.stack.Secrets, quadlet.Secret{Name: secret.Name, Variable: secret.Environment})
			if _, ok := m.env[secret.Environment]; !ok {
				m.stop("", "secrets."+key, "", fmt.Sprintf("the secret %s is to be made of the variable %s, which is not set", key, secret.Environment), "set it in this shell, or in .env beside the first file")
			}
		}
	}
}

// useConfigs mounts files. Podman has no configs.
func (s *service) useConfigs() {
	for _, use := range s.in.Configs {
		config := s.project.Configs[use.Source]
		target := use.Target
		if target == "" {
			target = "/" + use.Source
		}
		field := "configs." + use.Source
		lose := func(what string) {
			s.lose(field, fmt.Sprintf("%s goes without the config %s: %s", s.in.Name, use.Source, what), "write it to a file, and say file: in the Compose file")
		}
		switch {
		case bool(config.External):
			lose("Podman has no configs that others look after")
			continue
		case config.File == "" && config.Environment != "":
			lose("it is made of the variable " + config.Environment)
			continue
		case config.File == "":
			lose("its content stands in the Compose file itself")
			continue
		case config.TemplateDriver != "":
			s.lose(field, fmt.Sprintf("the config %s is mounted as it is: Podman knows no templates", use.Source), "write the file that the template gives")
		}
		if use.UID != "" || use.GID != "" || use.Mode != nil {
			s.lose(field, fmt.Sprintf("the file of the config %s keeps its owner and mode", use.Source), "chmod, or podman unshare chown, for "+config.File)
		}
		mount := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: config.File}
		v := quadlet.VolumeUse{Target: target, Options: []string{"ro"}}
		s.bind(mount, &v, field)
		s.c.Volumes = append(s.c.Volumes, v)
		s.hint(field, fmt.Sprintf("where SELinux enforces, %s may not read %s", s.in.Name, config.File), "a bind with :z in place of the config; or chcon -t container_file_t "+config.File)
	}
}
