package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"keeper/internal/quadlet"
)

// Every key that a Compose file may have is in one of two lists: said, which
// the mapper puts into the model or makes its own note of, and lost, which no
// unit can say. What is in neither, because the specification has grown, is
// lost as well and named. A test holds the lists against compose-go's schema.

// said are the paths that the mapper answers for, with all that is below.
var said = strings.Fields(`
	name version include
	networks.*.name networks.*.driver networks.*.driver_opts networks.*.enable_ipv4 networks.*.enable_ipv6
	networks.*.external networks.*.internal networks.*.labels networks.*.attachable
	networks.*.ipam.config.[].gateway networks.*.ipam.config.[].ip_range networks.*.ipam.config.[].subnet networks.*.ipam.driver
	volumes.*.name volumes.*.driver volumes.*.driver_opts volumes.*.external volumes.*.labels
	secrets.*.name secrets.*.environment secrets.*.file secrets.*.external
	configs.*.name configs.*.content configs.*.environment configs.*.file configs.*.external configs.*.labels configs.*.template_driver
	services.*.annotations services.*.blkio_config services.*.cap_add services.*.cap_drop services.*.cgroup services.*.command
	services.*.configs services.*.container_name services.*.cpu_period services.*.cpu_quota services.*.cpu_shares services.*.cpus services.*.cpuset
	services.*.depends_on.*.condition services.*.depends_on.*.required services.*.depends_on.*.restart
	services.*.deploy.mode services.*.deploy.replicas
	services.*.deploy.resources.limits.cpus services.*.deploy.resources.limits.memory services.*.deploy.resources.limits.pids
	services.*.deploy.resources.reservations.memory services.*.deploy.resources.reservations.devices
	services.*.deploy.restart_policy.condition services.*.deploy.restart_policy.max_attempts
	services.*.devices services.*.dns services.*.dns_opt services.*.dns_search services.*.domainname
	services.*.entrypoint services.*.env_file services.*.environment services.*.expose services.*.extends services.*.extra_hosts
	services.*.gpus services.*.group_add
	services.*.healthcheck.disable services.*.healthcheck.interval services.*.healthcheck.retries
	services.*.healthcheck.start_period services.*.healthcheck.test services.*.healthcheck.timeout
	services.*.hostname services.*.image services.*.init services.*.ipc services.*.labels services.*.label_file services.*.links
	services.*.logging services.*.mac_address services.*.mem_limit services.*.mem_reservation services.*.memswap_limit
	services.*.network_mode
	services.*.networks.*.aliases services.*.networks.*.interface_name services.*.networks.*.ipv4_address services.*.networks.*.ipv6_address
	services.*.networks.*.mac_address services.*.networks.*.priority services.*.networks.*.use_service_name_alias
	services.*.oom_score_adj services.*.pid services.*.pids_limit services.*.platform services.*.ports services.*.privileged
	services.*.profiles services.*.pull_policy services.*.read_only services.*.restart services.*.scale services.*.secrets
	services.*.security_opt services.*.shm_size services.*.stdin_open services.*.stop_grace_period services.*.stop_signal
	services.*.sysctls services.*.tmpfs services.*.tty services.*.ulimits services.*.umask services.*.user services.*.userns_mode
	services.*.uts services.*.volumes services.*.volumes_from services.*.working_dir
	services.*.build.context services.*.build.dockerfile services.*.build.dockerfile_inline services.*.build.args services.*.build.labels
	services.*.build.target services.*.build.network services.*.build.cache_from services.*.build.cache_to services.*.build.no_cache
	services.*.build.pull services.*.build.secrets services.*.build.platforms services.*.build.additional_contexts services.*.build.tags
	services.*.build.extra_hosts services.*.build.shm_size services.*.build.ulimits services.*.build.ssh`)

// way is what a note says of something lost.
type way struct{ text, try string }

const (
	swarm   = "it is for a swarm of hosts, and this is one host"
	windows = "it is for Windows"
)

// lost are the paths that no unit can say, and what to do instead.
var lost = map[string]way{
	"networks.*.ipam.config.[].aux_addresses": {"Podman reserves no addresses", "leave them out of ip_range"},
	"networks.*.ipam.options":                 {"Podman's IPAM drivers take no options", ""},
	"secrets.*.labels":                        {"labels are not put on the secret", "podman secret create --label"},
	"secrets.*.driver":                        {"a secret of another driver cannot be made from the file", "podman secret create --driver, and external: true in the file"},
	"secrets.*.driver_opts":                   {"a secret of another driver cannot be made from the file", "podman secret create --driver-opts, and external: true in the file"},
	"secrets.*.template_driver":               {"Podman knows no templates of secrets", "write the file that the template gives"},
	"models":                                  {"models are Docker Desktop's", "run what serves the model as a service of its own"},

	"services.*.attach":                                          {"a unit's output is in the journal", "journalctl --user -u UNIT"},
	"services.*.build.entitlements":                              {"podman build knows no entitlements", "what the build needs: --cap-add in PodmanArgs= of the .build unit"},
	"services.*.build.isolation":                                 {windows, ""},
	"services.*.build.no_cache_filter":                           {"podman build leaves out all of the cache or none", "no_cache: true"},
	"services.*.build.privileged":                                {"podman build knows no privileged builds", "what the build needs: --cap-add in PodmanArgs= of the .build unit"},
	"services.*.build.provenance":                                {"podman build makes no attestations", ""},
	"services.*.build.sbom":                                      {"the SBOM is not made", "--sbom in PodmanArgs= of the .build unit"},
	"services.*.cgroup_parent":                                   {"a unit's container lives in the unit's own cgroup", "Slice= under [Service] in a drop-in"},
	"services.*.cpu_count":                                       {windows, "cpus"},
	"services.*.cpu_percent":                                     {windows, "cpus"},
	"services.*.cpu_rt_period":                                   {"cgroup v2 has no real-time limits", "CPUSchedulingPolicy= under [Service] in a drop-in"},
	"services.*.cpu_rt_runtime":                                  {"cgroup v2 has no real-time limits", "CPUSchedulingPolicy= under [Service] in a drop-in"},
	"services.*.credential_spec":                                 {windows, ""},
	"services.*.deploy.endpoint_mode":                            {swarm, ""},
	"services.*.deploy.labels":                                   {"they are the labels of a swarm's service, not of its container", "labels: of the service itself"},
	"services.*.deploy.placement":                                {swarm, ""},
	"services.*.deploy.resources.reservations.cpus":              {"Podman reserves no processors", "CPUWeight= under [Service] in a drop-in gives it precedence"},
	"services.*.deploy.resources.reservations.generic_resources": {swarm, "devices: of the service itself"},
	"services.*.deploy.restart_policy.delay":                     {"the pause before a restart is the unit's", "RestartSec= under [Service] in a drop-in"},
	"services.*.deploy.restart_policy.window":                    {"when a start counts as good is the unit's", "StartLimitIntervalSec= under [Unit] in a drop-in"},
	"services.*.deploy.rollback_config":                          {swarm, "keeper adopt puts back what was there when a start fails"},
	"services.*.deploy.update_config":                            {swarm, ""},
	"services.*.develop":                                         {"watching sources is for development", "docker compose watch, on the developer's machine"},
	"services.*.device_cgroup_rules":                             {"rootless Podman has no rules for devices", "devices: with the devices themselves"},
	"services.*.external_links":                                  {"Podman has no links", "a network that both are on, and an alias there"},
	"services.*.healthcheck.start_interval":                      {"Podman has no other interval for the start", "a short interval, or --health-startup-cmd and --health-startup-interval in PodmanArgs="},
	"services.*.isolation":                                       {windows, ""},
	"services.*.mem_swappiness":                                  {"cgroup v2 has no swappiness", "memswap_limit, or MemorySwapMax= under [Service] in a drop-in"},
	"services.*.models":                                          {"models are Docker Desktop's", "the address of what serves the model, in environment:"},
	"services.*.networks.*.driver_opts":                          {"Podman takes no options of a driver for one container", "driver_opts of the network itself"},
	"services.*.networks.*.gw_priority":                          {"Podman takes the gateway of the network that is named first", "priority, which keeper orders the networks by"},
	"services.*.networks.*.link_local_ips":                       {"Podman gives no link-local addresses", ""},
	"services.*.oom_kill_disable":                                {"cgroup v2 cannot switch it off", "oom_score_adj, or OOMPolicy= under [Service] in a drop-in"},
	"services.*.post_start":                                      {"the hook does not run", "ExecStartPost=podman exec … under [Service] in a drop-in"},
	"services.*.pre_start":                                       {"the hook does not run", "a service of its own, and depends_on with service_completed_successfully"},
	"services.*.pre_stop":                                        {"the hook does not run", "ExecStop=podman exec … under [Service] in a drop-in"},
	"services.*.provider":                                        {"a provider is a program of Docker's, and no container", "run what it provides as a service of its own"},
	"services.*.pull_refresh_after":                              {"Podman does not count the age of an image", "podman auto-update"},
	"services.*.runtime":                                         {"the runtime is not an option of podman run", "GlobalArgs=--runtime=… under [Container] in a drop-in"},
	"services.*.storage_opt":                                     {"rootless Podman's storage takes no options for one container", ""},
	"services.*.use_api_socket":                                  {"Docker's socket is not Podman's", "systemctl --user enable --now podman.socket, and a bind of %t/podman/podman.sock"},
}

// field is something lost: its path in the project, and why.
type field struct {
	path []string
	way  way
}

// rule is a key of the two lists and those below it.
type rule struct {
	said, lost bool
	way        way
	kids       map[string]*rule
}

func rules() *rule {
	root := &rule{}
	at := func(path string) *rule {
		r := root
		for _, key := range strings.Split(path, ".") {
			if r.kids == nil {
				r.kids = map[string]*rule{}
			}
			if r.kids[key] == nil {
				r.kids[key] = &rule{}
			}
			r = r.kids[key]
		}
		return r
	}
	for _, p := range said {
		at(p).said = true
	}
	for p, w := range lost {
		r := at(p)
		r.lost, r.way = true, w
	}
	return root
}

// lostFields walks the whole project, as compose-go has merged it, for what the
// mapper does not answer for.
func lostFields(project map[string]any) []field {
	var fields []field
	var walk func(v any, r *rule, path []string)
	walk = func(v any, r *rule, path []string) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				next := append(path[:len(path):len(path)], key)
				k := r.kids[key]
				if k == nil {
					k = r.kids["*"]
				}
				switch {
				case k == nil && strings.HasPrefix(key, "x-"):
				case nothing(v[key]) || k != nil && k.said:
				case k == nil:
					fields = append(fields, field{next, way{"keeper does not know this key, which is newer than keeper", "say it in a drop-in, if the service needs it"}})
				case k.lost:
					fields = append(fields, field{next, k.way})
				default:
					walk(v[key], k, next)
				}
			}
		case []any:
			k := r.kids["[]"]
			if k == nil {
				return
			}
			for i, item := range v {
				walk(item, k, append(path[:len(path):len(path)], strconv.Itoa(i)))
			}
		}
	}
	// Jobs have their own note: they are no services, and none of theirs is said.
	top := maps.Clone(project)
	delete(top, "jobs")
	walk(top, rules(), nil)
	return fields
}

// nothing says whether a value says nothing.
func nothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

// lostNotes makes notes of them. unit says which unit a service has, and
// whether it is on.
func lostNotes(fields []field, unit func(service string) (string, bool)) []quadlet.Note {
	var notes []quadlet.Note
	for _, f := range fields {
		name, key, of := "", strings.Join(f.path, "."), "the project"
		switch {
		case f.path[0] == "services" && len(f.path) > 2:
			var on bool
			if name, on = unit(f.path[1]); !on {
				continue
			}
			key, of = strings.Join(f.path[2:], "."), "the service "+f.path[1]
		case len(f.path) > 2:
			of = fmt.Sprintf("the %s %s", strings.TrimSuffix(f.path[0], "s"), f.path[1])
			key = strings.Join(f.path[2:], ".")
		}
		notes = append(notes, quadlet.Note{
			Unit: name, Field: key, Level: quadlet.Lost, Try: f.way.try,
			Text: fmt.Sprintf("%s of %s is not in the unit: %s", key, of, f.way.text),
		})
	}
	return notes
}
