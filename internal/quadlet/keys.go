package quadlet

import (
	"maps"
	"slices"
	"strings"
)

// key is a key of podman-systemd.unit(5) that says what an option does.
type key struct {
	flag, name string
	// since is the first Podman whose generator knows it.
	since Version
	style style
	// boolean keys have the values true and false.
	boolean bool
	// many says that it may be there more than once; of others the last counts.
	many bool
	// sorted says that the order of its values means nothing.
	sorted bool
	// manySince is since when it may be there more than once.
	manySince Version
}

// since is a version by its numbers; the table below begins with Oldest.
func since(major, minor int) Version { return Version{major, minor} }

// The tables were made by comparing the generators of 4.9, 5.0, … 5.8: which
// keys they take, and how they read them. Their order is that of the files.
var containerKeys = []key{
	{flag: "pull", name: "Pull"},
	{flag: "hostname", name: "HostName"},
	{flag: "user", name: "User"}, // and Group: see userAndGroup
	{flag: "group-add", name: "GroupAdd", since: since(5, 1), many: true},
	{flag: "userns", name: "UserNS"},
	{flag: "uidmap", name: "UIDMap", style: strv, many: true},
	{flag: "gidmap", name: "GIDMap", style: strv, many: true},
	{flag: "subuidname", name: "SubUIDMap"},
	{flag: "subgidname", name: "SubGIDMap"},
	{flag: "workdir", name: "WorkingDir"},
	{flag: "env", name: "Environment", style: args, many: true, sorted: true},
	{flag: "env-file", name: "EnvironmentFile", style: args, many: true},
	{flag: "env-host", name: "EnvironmentHost", boolean: true},
	{flag: "http-proxy", name: "HttpProxy", since: since(5, 7), boolean: true},
	{flag: "secret", name: "Secret", style: args, many: true},
	{flag: "ip", name: "IP"},
	{flag: "ip6", name: "IP6"},
	{flag: "network-alias", name: "NetworkAlias", since: since(5, 2), many: true},
	{flag: "add-host", name: "AddHost", since: since(5, 3), many: true},
	{flag: "dns", name: "DNS", many: true},
	{flag: "dns-option", name: "DNSOption", many: true},
	{flag: "dns-search", name: "DNSSearch", many: true},
	{flag: "publish", name: "PublishPort", many: true},
	{flag: "expose", name: "ExposeHostPort", many: true},
	{flag: "mount", name: "Mount", style: args, many: true},
	{flag: "tmpfs", name: "Tmpfs", many: true},
	{flag: "device", name: "AddDevice", style: strv, many: true},
	{flag: "label", name: "Label", style: args, many: true, sorted: true},
	{flag: "annotation", name: "Annotation", style: args, many: true, sorted: true},
	{flag: "health-cmd", name: "HealthCmd"},
	{flag: "health-interval", name: "HealthInterval"},
	{flag: "health-retries", name: "HealthRetries"},
	{flag: "health-start-period", name: "HealthStartPeriod"},
	{flag: "health-timeout", name: "HealthTimeout"},
	{flag: "health-on-failure", name: "HealthOnFailure"},
	{flag: "health-startup-cmd", name: "HealthStartupCmd"},
	{flag: "health-startup-interval", name: "HealthStartupInterval"},
	{flag: "health-startup-retries", name: "HealthStartupRetries"},
	{flag: "health-startup-success", name: "HealthStartupSuccess"},
	{flag: "health-startup-timeout", name: "HealthStartupTimeout"},
	{flag: "health-log-destination", name: "HealthLogDestination", since: since(5, 3)},
	{flag: "health-max-log-count", name: "HealthMaxLogCount", since: since(5, 3)},
	{flag: "health-max-log-size", name: "HealthMaxLogSize", since: since(5, 3)},
	{flag: "stop-signal", name: "StopSignal", since: since(5, 2)},
	{flag: "stop-timeout", name: "StopTimeout", since: stopTimeoutSince}, // 0 alone: see stop
	{flag: "memory", name: "Memory", since: since(5, 5)},
	{flag: "pids-limit", name: "PidsLimit"},
	{flag: "shm-size", name: "ShmSize"},
	{flag: "ulimit", name: "Ulimit", many: true, manySince: since(5, 0)},
	{flag: "sysctl", name: "Sysctl", style: strv, many: true},
	{flag: "cap-add", name: "AddCapability", style: strv, many: true},
	{flag: "cap-drop", name: "DropCapability", style: strv, many: true},
	{flag: "init", name: "RunInit", boolean: true},
	{flag: "read-only", name: "ReadOnly", boolean: true},
	{flag: "read-only-tmpfs", name: "ReadOnlyTmpfs", boolean: true},
	{flag: "tz", name: "Timezone"},
	{flag: "log-driver", name: "LogDriver"},
	{flag: "log-opt", name: "LogOpt", since: since(5, 2), many: true, style: strv},
	{flag: "cgroups", name: "CgroupsMode", since: since(5, 3)},
}

// securityKeys are those that stand for a value of --security-opt.
var securityKeys = []struct {
	option, name string
	since        Version
	flag         bool
}{
	{option: "no-new-privileges", name: "NoNewPrivileges", flag: true},
	{option: "label=disable", name: "SecurityLabelDisable", flag: true},
	{option: "label=nested", name: "SecurityLabelNested", flag: true},
	{option: "label=type:", name: "SecurityLabelType"},
	{option: "label=filetype:", name: "SecurityLabelFileType"},
	{option: "label=level:", name: "SecurityLabelLevel"},
	{option: "seccomp=", name: "SeccompProfile"},
	{option: "apparmor=", name: "AppArmor", since: since(5, 8)},
}

var podKeys = []key{
	{flag: "hostname", name: "HostName", since: since(5, 5)},
	{flag: "userns", name: "UserNS", since: since(5, 3)},
	{flag: "uidmap", name: "UIDMap", since: since(5, 3), style: strv, many: true},
	{flag: "gidmap", name: "GIDMap", since: since(5, 3), style: strv, many: true},
	{flag: "subuidname", name: "SubUIDMap", since: since(5, 3)},
	{flag: "subgidname", name: "SubGIDMap", since: since(5, 3)},
	{flag: "ip", name: "IP", since: since(5, 3)},
	{flag: "ip6", name: "IP6", since: since(5, 3)},
	{flag: "network-alias", name: "NetworkAlias", since: since(5, 2), many: true},
	{flag: "add-host", name: "AddHost", since: since(5, 3), many: true},
	{flag: "dns", name: "DNS", since: since(5, 3), many: true},
	{flag: "dns-option", name: "DNSOption", since: since(5, 3), many: true},
	{flag: "dns-search", name: "DNSSearch", since: since(5, 3), many: true},
	{flag: "publish", name: "PublishPort", many: true},
	{flag: "shm-size", name: "ShmSize", since: since(5, 4)},
	{flag: "label", name: "Label", since: since(5, 6), style: args, many: true, sorted: true},
	{flag: "exit-policy", name: "ExitPolicy", since: since(5, 6)},
}

var networkKeys = []key{
	{flag: "driver", name: "Driver"},
	{flag: "ipam-driver", name: "IPAMDriver"},
	{flag: "subnet", name: "Subnet", many: true},
	{flag: "gateway", name: "Gateway", many: true},
	{flag: "ip-range", name: "IPRange", many: true},
	{flag: "ipv6", name: "IPv6", boolean: true},
	{flag: "internal", name: "Internal", boolean: true},
	{flag: "disable-dns", name: "DisableDNS", boolean: true},
	{flag: "dns", name: "DNS", many: true},
	{flag: "interface-name", name: "InterfaceName", since: since(5, 6)},
	{flag: "opt", name: "Options", style: args, many: true, sorted: true},
	{flag: "label", name: "Label", style: args, many: true, sorted: true},
}

// Options, Device and Type make up --opt: see volumeSettings.
var volumeKeys = []key{
	{flag: "driver", name: "Driver"},
	{flag: "opt-device", name: "Device"},
	{flag: "opt-type", name: "Type"},
	{flag: "opt-o", name: "Options"},
	{flag: "label", name: "Label", style: args, many: true, sorted: true},
}

var buildKeys = []key{
	{flag: "file", name: "File"},
	{flag: "target", name: "Target"},
	{flag: "build-arg", name: "BuildArg", since: since(5, 7), style: args, many: true, sorted: true},
	{flag: "pull", name: "Pull"},
	{flag: "arch", name: "Arch"},
	{flag: "variant", name: "Variant"},
	{flag: "authfile", name: "AuthFile"},
	{flag: "network", name: "Network", many: true},
	{flag: "env", name: "Environment", style: args, many: true, sorted: true},
	{flag: "secret", name: "Secret", style: args, many: true},
	{flag: "dns", name: "DNS", many: true},
	{flag: "dns-option", name: "DNSOption", many: true},
	{flag: "dns-search", name: "DNSSearch", many: true},
	{flag: "label", name: "Label", style: args, many: true, sorted: true},
	{flag: "annotation", name: "Annotation", style: args, many: true, sorted: true},
	{flag: "force-rm", name: "ForceRM", boolean: true},
	{flag: "tls-verify", name: "TLSVerify", boolean: true},
}

// What whole kinds of files and some keys need.
var (
	podsSince        = since(5, 0)
	buildsSince      = since(5, 2)
	healthySince     = since(5, 0)
	entrypointSince  = since(5, 0)
	stopTimeoutSince = since(5, 0)
	dropinsSince     = since(5, 0)
)

// otherKeys are those that stand for no single option: keeper writes some, and
// must know the rest to tell a key of a newer Podman from a misspelt one.
var otherKeys = map[string]map[string]Version{
	"Container": {
		"Image": Oldest, "ContainerName": Oldest, "Exec": Oldest, "Network": Oldest, "Volume": Oldest, "Notify": Oldest, "Group": Oldest,
		"PodmanArgs": Oldest, "GlobalArgs": Oldest, "ContainersConfModule": Oldest, "AutoUpdate": Oldest, "Rootfs": Oldest, "VolatileTmp": Oldest,
		"Mask": Oldest, "Unmask": Oldest, "RemapUsers": Oldest, "RemapUid": Oldest, "RemapGid": Oldest, "RemapUidSize": Oldest,
		"Entrypoint": entrypointSince, "Pod": podsSince, "ServiceName": since(5, 3), "StartWithPod": since(5, 3),
		"ReloadCmd": since(5, 5), "ReloadSignal": since(5, 5), "Retry": since(5, 5), "RetryDelay": since(5, 5),
	},
	"Pod": {
		"PodName": podsSince, "Network": podsSince, "Volume": podsSince, "PodmanArgs": podsSince, "GlobalArgs": podsSince, "ContainersConfModule": podsSince,
		"RemapUsers": since(5, 3), "RemapUid": since(5, 3), "RemapGid": since(5, 3), "RemapUidSize": since(5, 3), "ServiceName": since(5, 3), "StopTimeout": since(5, 7),
	},
	"Network": {
		"NetworkName": Oldest, "PodmanArgs": Oldest, "GlobalArgs": Oldest, "ContainersConfModule": Oldest,
		"ServiceName": since(5, 3), "NetworkDeleteOnStop": since(5, 5),
	},
	"Volume": {
		"VolumeName": Oldest, "Copy": Oldest, "User": Oldest, "Group": Oldest, "Image": Oldest,
		"PodmanArgs": Oldest, "GlobalArgs": Oldest, "ContainersConfModule": Oldest, "ServiceName": since(5, 3),
	},
	"Build": {
		"ImageTag": buildsSince, "SetWorkingDirectory": buildsSince, "GroupAdd": buildsSince, "Volume": buildsSince,
		"PodmanArgs": buildsSince, "GlobalArgs": buildsSince, "ContainersConfModule": buildsSince,
		"ServiceName": since(5, 3), "Retry": since(5, 5), "RetryDelay": since(5, 5), "IgnoreFile": since(5, 7),
	},
}

// table is the table of a section, and the version that brought the section.
func table(section string) (keys []key, from Version) {
	switch section {
	case "Container":
		return containerKeys, Oldest
	case "Pod":
		return podKeys, podsSince
	case "Network":
		return networkKeys, Oldest
	case "Volume":
		return volumeKeys, Oldest
	case "Build":
		return buildKeys, buildsSince
	}
	return nil, Oldest
}

// KeySince says which version of Podman brought the key of the section; known is
// false for one that keeper does not know.
func KeySince(section, name string) (v Version, known bool) {
	keys, from := table(section)
	for _, k := range keys {
		if k.name == name {
			return max2(k.since, from), true
		}
	}
	if section == "Container" {
		for _, k := range securityKeys {
			if k.name == name {
				return max2(k.since, from), true
			}
		}
	}
	v, known = otherKeys[section][name]
	return v, known
}

func max2(a, b Version) Version {
	if a.Before(b) {
		return b
	}
	return a
}

// KnownKeys returns the keys of a section that keeper knows of, for telling what
// a misspelt one may have meant.
func KnownKeys(section string) []string {
	list := slices.Sorted(maps.Keys(otherKeys[section]))
	keys, _ := table(section)
	for _, k := range keys {
		list = append(list, k.name)
	}
	if section == "Container" {
		for _, k := range securityKeys {
			list = append(list, k.name)
		}
	}
	return list
}

// securityKey finds the key for a value of --security-opt, and what follows the
// option's name.
func securityKey(value string, v Version) (name, rest string, ok bool) {
	value = strings.Replace(value, "label:", "label=", 1)
	for _, k := range securityKeys {
		if v.Before(k.since) {
			continue
		}
		if k.flag && (value == k.option || value == k.option+"=true" || value == k.option+":true") {
			return k.name, "true", true
		}
		if !k.flag && strings.HasPrefix(value, k.option) && len(value) > len(k.option) {
			return k.name, value[len(k.option):], true
		}
	}
	return "", "", false
}
