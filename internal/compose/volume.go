package compose

import (
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

func (s *service) mounts() error {
	var unlabelled []string
	for _, v := range s.in.Volumes {
		use := quadlet.VolumeUse{Target: v.Target}
		if v.ReadOnly {
			use.Options = append(use.Options, "ro")
		}
		field := "volumes." + v.Target
		switch v.Type {
		case types.VolumeTypeBind:
			if v.Source == "" {
				return s.fails("source: PATH", "volumes", "the bind to %s has no source", v.Target)
			}
			s.bind(v, &use, field)
			if !relabelled(use.Options) && !strings.HasPrefix(v.Source, "/dev") && !strings.HasSuffix(v.Source, ".sock") && v.Source != "/etc/localtime" {
				unlabelled = append(unlabelled, v.Source)
			}
		case types.VolumeTypeVolume, "":
			if v.Volume != nil && v.Volume.Subpath != "" {
				s.halt(field, "", fmt.Sprintf("only %s of the volume is to be at %s, and a unit mounts all of it", v.Volume.Subpath, v.Target),
					"a volume of its own for it")
			}
			if v.Volume != nil && v.Volume.NoCopy {
				use.Options = append(use.Options, "nocopy")
			}
			if v.Volume != nil && len(v.Volume.Labels) > 0 {
				s.lose(field, "labels at the mount are not in the unit", "labels: of the volume itself, under volumes: at the top")
			}
			if v.Source == "" {
				use.Unit = s.anonymous(v.Target)
			} else {
				s.volume(v.Source, &use)
			}
		case types.VolumeTypeTmpfs:
			s.tmpfs(v)
			continue
		case types.VolumeTypeImage:
			mount := "type=image,source=" + v.Source + ",destination=" + v.Target
			if v.Image != nil && v.Image.SubPath != "" {
				mount += ",subpath=" + v.Image.SubPath
			}
			if strings.ContainsAny(v.Source+v.Target, ",") {
				return s.fails("a name without one", "volumes", "a comma in %s or %s", v.Source, v.Target)
			}
			s.set("mount", mount)
			continue
		default:
			s.halt(field, "", fmt.Sprintf("Podman has no mounts of the type %s (%s)", v.Type, v.Target), "a bind, or a volume")
			continue
		}
		if strings.Contains(use.Source+use.Target, ":") {
			return s.fails("a path without one", "volumes", "a colon in the path %s cannot be said in a unit", use.Source+" "+use.Target)
		}
		s.c.Volumes = append(s.c.Volumes, use)
	}
	s.setAll("tmpfs", s.in.Tmpfs)
	if len(unlabelled) > 0 {
		s.hint("volumes", fmt.Sprintf("where SELinux enforces, %s may not read %s", s.in.Name, strings.Join(unlabelled, ", ")),
			":z behind the mount in the file, or :Z if no other container uses it")
	}
	for _, from := range s.in.VolumesFrom {
		s.volumesFrom(from)
	}
	return nil
}

func relabelled(options []string) bool {
	return slices.Contains(options, "z") || slices.Contains(options, "Z")
}

func (s *service) bind(v types.ServiceVolumeConfig, use *quadlet.VolumeUse, field string) {
	use.Source = v.Source
	create := true
	if b := v.Bind; b != nil {
		create = bool(b.CreateHostPath)
		if b.SELinux != "" {
			use.Options = append(use.Options, b.SELinux)
		}
		if b.Propagation != "" {
			use.Options = append(use.Options, b.Propagation)
		}
		switch b.Recursive {
		case "", "enabled":
		case "disabled":
			use.Options = append(use.Options, "bind")
		default:
			s.lose(field, fmt.Sprintf("recursive: %s: Podman mounts what is below a path as the path itself, or not at all", b.Recursive), "recursive: disabled, and a mount for each")
		}
	}
	if strings.HasSuffix(v.Source, "/docker.sock") {
		s.halt(field, "docker-socket", fmt.Sprintf("%s talks to Docker, and rootless Podman's socket is somewhere else", s.in.Name),
			"systemctl --user enable --now podman.socket, and ${XDG_RUNTIME_DIR}/podman/podman.sock in place of "+v.Source)
		return
	}
	if _, err := os.Stat(v.Source); err != nil && os.IsNotExist(err) {
		try, how := "mkdir -p "+v.Source, "Docker would make a directory of it, and Podman does not start"
		if !create {
			how = "the container does not start without it"
		}
		s.halt(field, "missing-path", fmt.Sprintf("%s is not there: %s", v.Source, how), try)
	}
}

// volume is a named volume.
func (s *service) volume(key string, use *quadlet.VolumeUse) {
	v := s.project.Volumes[key]
	s.volumes[key] = true
	if v.External {
		use.Source = v.Name
		return
	}
	use.Unit = v.Name
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// anonymous gives a volume without a name one. Quadlet stops a container with
// podman rm -v, and anonymous volumes go with it.
func (s *service) anonymous(target string) string {
	base := strings.Trim(notInNames.ReplaceAllString(path.Base(target), "-"), "-.")
	if base == "" {
		base = "data"
	}
	name := s.project.Name + "_" + s.in.Name + "-" + base
	for n := 2; slices.ContainsFunc(s.stack.Volumes, func(v quadlet.Volume) bool { return v.Unit == name }); n++ {
		name = fmt.Sprintf("%s_%s-%s-%d", s.project.Name, s.in.Name, base, n)
	}
	s.stack.Volumes = append(s.stack.Volumes, quadlet.Volume{Unit: name, Name: name, Source: s.source(s.in.Name)})
	s.hint("volumes."+target, fmt.Sprintf("the volume at %s has no name in the file, and gets the name %s: a unit's stop removes volumes without one, and what is in them", target, name), name+":"+target+" in the file")
	return name
}

func (s *service) tmpfs(v types.ServiceVolumeConfig) {
	var options []string
	if v.ReadOnly {
		options = append(options, "ro")
	}
	if t := v.Tmpfs; t != nil {
		if t.Size > 0 {
			options = append(options, fmt.Sprintf("size=%d", t.Size))
		}
		if t.Mode > 0 {
			options = append(options, fmt.Sprintf("mode=%04o", t.Mode))
		}
	}
	text := v.Target
	if len(options) > 0 {
		text += ":" + strings.Join(options, ",")
	}
	s.set("tmpfs", text)
}

func (s *service) volumesFrom(from string) {
	if name, ok := strings.CutPrefix(from, types.ContainerPrefix); ok {
		s.set("volumes-from", name)
		return
	}
	name, mode, ok := strings.Cut(from, ":")
	unit, on := s.units[name]
	if !on {
		s.lose("volumes_from", fmt.Sprintf("%s takes the volumes of %s, which is left out", s.in.Name, name), "")
		return
	}
	if ok {
		unit += ":" + mode
	}
	s.set("volumes-from", unit)
}

// addVolumes adds the named volumes that are in use.
func (m *mapper) addVolumes() error {
	for _, key := range slices.Sorted(maps.Keys(m.project.Volumes)) {
		v := m.project.Volumes[key]
		if v.External {
			continue
		}
		if !m.volumes[key] {
			m.note("", "volumes."+key, quadlet.Hint, fmt.Sprintf("no service that is on uses the volume %s, and it gets no unit", key), "")
			continue
		}
		if err := m.nameOf("volumes", key, v.Name); err != nil {
			return err
		}
		unit := quadlet.Volume{Unit: v.Name, Name: v.Name, Source: m.source(key)}
		set := func(flag, value string) {
			unit.Settings = append(unit.Settings, quadlet.Setting{Flag: flag, Value: value})
		}
		if v.Driver != "" && v.Driver != "local" && v.Driver != "default" {
			set("driver", v.Driver)
			m.note(v.Name, "volumes."+key+".driver", quadlet.Hint, fmt.Sprintf("the volume %s has the driver %s, which Podman must know as a plugin", key, v.Driver), "volume_plugins in containers.conf(5)")
		}
		for _, k := range slices.Sorted(maps.Keys(v.DriverOpts)) {
			set("opt", k+"="+v.DriverOpts[k])
		}
		switch kind := v.DriverOpts["type"]; strings.ToLower(kind) {
		case "nfs", "nfs4", "cifs", "smb3", "ext4", "xfs", "btrfs":
			m.stop(v.Name, "volumes."+key+".driver_opts", "root-mount", fmt.Sprintf("the volume %s is a mount of %s, which an account may not make", key, kind),
				"as root, the mount in /etc/fstab; and a bind of its directory in the file")
		}
		for _, k := range slices.Sorted(maps.Keys(v.Labels)) {
			set("label", k+"="+v.Labels[k])
		}
		m.stack.Volumes = append(m.stack.Volumes, unit)
	}
	return nil
}
