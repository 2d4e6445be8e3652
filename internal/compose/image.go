package compose

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// image is the full name of a service's image. Compose takes names without a
// registry for Docker Hub's, and Podman asks its short-name rules, which differ
// from host to host.
func (m *mapper) image(in types.ServiceConfig) string {
	name := in.Image
	if in.Build != nil {
		if name == "" {
			return "localhost/" + m.project.Name + "-" + in.Name + ":latest"
		}
		if !registry(name) {
			name = "localhost/" + name // where podman build puts it
		}
		if last := name[strings.LastIndexByte(name, '/')+1:]; !strings.ContainsAny(last, ":@") {
			name += ":latest"
		}
		return name
	}
	// Another service of the file may build it.
	for _, other := range m.on() {
		o := m.project.Services[other]
		if o.Build != nil && o.Image != "" && bare(o.Image) == bare(name) {
			return m.image(o)
		}
	}
	if registry(name) || strings.Contains(name, "://") || strings.HasPrefix(name, "oci:") {
		return name
	}
	if strings.Contains(name, "/") {
		return "docker.io/" + name
	}
	return "docker.io/library/" + name
}

func bare(image string) string { return strings.TrimSuffix(image, ":latest") }

// registry says whether a name begins with a registry, by Docker's rule.
func registry(name string) bool {
	first, _, ok := strings.Cut(name, "/")
	return ok && (first == "localhost" || strings.ContainsAny(first, ".:"))
}

func (s *service) pull() {
	if s.in.Build == nil && s.c.Build == "" && !registry(s.in.Image) && s.in.Image != s.c.Image {
		s.hint("image", fmt.Sprintf("%s is taken for %s, as Compose does", s.in.Image, s.c.Image),
			"the full name in the file; localhost/NAME for an image of this host")
	}
	s.c.PullNever = strings.HasPrefix(s.c.Image, "localhost/") || s.c.Build != ""
	switch policy := s.in.PullPolicy; {
	case policy == types.PullPolicyNever:
		s.c.PullNever = true
	case s.c.PullNever, policy == "", policy == types.PullPolicyMissing, policy == types.PullPolicyIfNotPresent, policy == types.PullPolicyBuild:
	case policy == types.PullPolicyAlways:
		s.set("pull", "always")
	default: // daily, weekly, every_…, refresh
		s.set("pull", "newer")
		s.hint("pull_policy", fmt.Sprintf("%s becomes a look for a newer image at each start: Podman does not count the age of an image", policy), "podman auto-update, from its timer")
	}
}

// build makes a unit of Builds, or finds that of another service that makes the
// same image.
func (s *service) build() error {
	b := s.in.Build
	if b == nil {
		s.c.Build = s.builds[s.c.Image]
		return nil
	}
	unit := quadlet.Build{Unit: s.c.Unit, Source: s.source(s.in.Name), Image: s.c.Image, Context: b.Context}
	set := func(flag, value string) {
		unit.Settings = append(unit.Settings, quadlet.Setting{Flag: flag, Value: value})
	}
	remote := strings.Contains(b.Context, "://") || strings.HasPrefix(b.Context, "git@")
	if strings.HasPrefix(b.Context, "git@") || strings.HasPrefix(b.Context, "ssh://") {
		s.halt("build.context", "", "a .build unit takes a repository by https:// or git:// only", "clone it, and name the directory")
	}
	if b.DockerfileInline != "" {
		s.halt("build.dockerfile_inline", "", "a .build unit takes its Containerfile from a file", "write the lines to a file beside the Compose file, and say dockerfile: FILE")
	} else if b.Dockerfile != "" {
		if !remote && !filepath.IsAbs(b.Dockerfile) {
			set("file", filepath.Join(b.Context, b.Dockerfile))
		} else if !remote || b.Dockerfile != "Dockerfile" {
			set("file", b.Dockerfile)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(b.Args)) {
		if v := b.Args[k]; v != nil {
			set("build-arg", k+"="+*v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(b.Labels)) {
		set("label", k+"="+b.Labels[k])
	}
	if b.Target != "" {
		set("target", b.Target)
	}
	if b.Network != "" {
		set("network", b.Network)
	}
	for _, c := range b.CacheFrom {
		s.cache("cache-from", "build.cache_from", c, set)
	}
	for _, c := range b.CacheTo {
		s.cache("cache-to", "build.cache_to", c, set)
	}
	if b.Pull {
		set("pull", "always")
	}
	if b.NoCache {
		set("no-cache", "true")
	}
	if len(b.Platforms) == 1 {
		set("platform", b.Platforms[0])
	} else if len(b.Platforms) > 1 {
		s.lose("build.platforms", fmt.Sprintf("the image of %s is built for this host alone: a tag holds one image, and a list of several is a manifest", s.in.Name), "podman build --manifest, by hand")
	}
	for _, h := range hosts(b.ExtraHosts) {
		set("add-host", h)
	}
	if b.ShmSize > 0 {
		set("shm-size", strconv.FormatInt(int64(b.ShmSize), 10))
	}
	for _, u := range ulimits(b.Ulimits) {
		set("ulimit", u)
	}
	for _, t := range b.Tags {
		if t != s.in.Image {
			set("tag", t)
		}
	}
	for _, k := range sortedSSH(b.SSH) {
		set("ssh", k)
	}
	for _, name := range slices.Sorted(maps.Keys(b.AdditionalContexts)) {
		where := b.AdditionalContexts[name]
		if other, ok := strings.CutPrefix(where, types.ServicePrefix); ok {
			s.lose("build.additional_contexts."+name, fmt.Sprintf("the image of the service %s is no context of its own to podman build", other),
				"FROM "+s.image(s.project.Services[other])+" in the Containerfile")
			continue
		}
		set("build-context", name+"="+strings.Replace(where, "docker-image://", "container-image://", 1))
	}
	for _, secret := range b.Secrets {
		s.buildSecret(secret, set)
	}
	if !remote {
		if info, err := os.Stat(b.Context); err != nil || !info.IsDir() {
			return s.fails("mend the path, or make the directory", "build.context", "there is no directory %s", b.Context)
		}
	}
	for _, other := range s.stack.Builds {
		if other.Image != unit.Image {
			continue
		}
		if other.Context != unit.Context || !slices.Equal(other.Settings, unit.Settings) {
			return s.fails("give each its own image:", "build", "the services %s and %s build the image %s, each in its own way", other.Source.Name, s.in.Name, unit.Image)
		}
		s.c.Build = other.Unit
		return nil
	}
	s.stack.Builds = append(s.stack.Builds, unit)
	s.c.Build = unit.Unit
	return nil
}

// cache takes images; BuildKit's other kinds are its own.
func (s *service) cache(flag, field, value string, set func(flag, value string)) {
	if ref, ok := strings.CutPrefix(value, "type=registry,ref="); ok && !strings.Contains(ref, ",") {
		value = ref
	}
	if strings.Contains(value, "=") {
		s.lose(field, fmt.Sprintf("%s is BuildKit's: podman build keeps its cache in images alone", value), "an image: REGISTRY/NAME")
		return
	}
	set(flag, value)
}

func (s *service) buildSecret(use types.ServiceSecretConfig, set func(flag, value string)) {
	id := use.Target
	if id == "" {
		id = use.Source
	}
	switch secret := s.project.Secrets[use.Source]; {
	case secret.File != "":
		set("secret", "id="+id+",src="+secret.File)
	case secret.Environment != "":
		s.lose("build.secrets."+use.Source, fmt.Sprintf("a unit's build does not see the variable %s of your shell", secret.Environment), "file: in place of environment:")
	default:
		s.lose("build.secrets."+use.Source, "podman build takes secrets from files, and not from podman secret", "file: in place of external: true")
	}
	if use.UID != "" || use.GID != "" || use.Mode != nil {
		s.lose("build.secrets."+use.Source, "podman build sets no owner or mode of a secret", "uid= and mode= of RUN --mount=type=secret in the Containerfile")
	}
}

func sortedSSH(keys types.SSHConfig) []string {
	var list []string
	for _, k := range keys {
		if k.Path == "" {
			list = append(list, k.ID)
		} else {
			list = append(list, k.ID+"="+k.Path)
		}
	}
	slices.Sort(list)
	return list
}

func hosts(list types.HostsList) []string {
	var all []string
	for _, host := range slices.Sorted(maps.Keys(list)) {
		for _, ip := range list[host] {
			all = append(all, host+":"+ip)
		}
	}
	return all
}

func ulimits(list map[string]*types.UlimitsConfig) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		u := list[name]
		switch {
		case u == nil:
		case u.Single != 0 || u.Soft == 0 && u.Hard == 0:
			all = append(all, fmt.Sprintf("%s=%d", name, u.Single))
		default:
			all = append(all, fmt.Sprintf("%s=%d:%d", name, u.Soft, u.Hard))
		}
	}
	return all
}
