package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"keeper/internal/quadlet"
)

// joinNetworks says where a container is reachable, and under which names.
func (s *service) joinNetworks() {
	in := s.in
	if mode := in.NetworkMode; mode != "" {
		name := mode
		if other, ok := s.shared("network_mode", mode); ok {
			name = "container:" + other
		}
		s.c.Networks = []quadlet.NetworkUse{{Name: name}}
		s.setIf("mac-address", in.MacAddress)
		return
	}
	for i, key := range in.NetworksByPriority() {
		n, use := in.Networks[key], s.network(key)
		add := func(option, value string) {
			if value != "" {
				use.Options = append(use.Options, option+"="+value)
			}
		}
		var names []string
		if n.ServiceNameAliasEnabled() {
			names = append(names, in.Name)
		}
		if n != nil {
			names = append(names, n.Aliases...)
		}
		names = append(names, s.links[in.Name]...)
		for j, alias := range names {
			// Podman resolves the name of the container by itself.
			if alias != s.c.Name && !slices.Contains(names[:j], alias) {
				add("alias", alias)
			}
		}
		mac := ""
		if n != nil {
			add("ip", n.Ipv4Address)
			add("ip6", n.Ipv6Address)
			add("interface_name", n.InterfaceName)
			mac = n.MacAddress
		}
		if mac == "" && i == 0 {
			mac = in.MacAddress
		}
		add("mac", mac)
		s.c.Networks = append(s.c.Networks, use)
	}
}

// shared is the container whose namespace is used, if the value names one.
func (s *service) shared(field, value string) (string, bool) {
	if name, ok := strings.CutPrefix(value, types.ServicePrefix); ok {
		if unit, on := s.units[name]; on {
			return unit, true
		}
		s.lose(field, fmt.Sprintf("%s shares with %s, which is left out", s.in.Name, name), "")
		return name, true
	}
	if name, ok := strings.CutPrefix(value, types.ContainerPrefix); ok {
		s.hint(field, fmt.Sprintf("%s shares with the container %s, which the file does not know: nothing starts that first", s.in.Name, name), "After= and Requires= in a drop-in")
		return name, true
	}
	return "", false
}

// network is how a container names a network.
func (m *mapper) network(key string) quadlet.NetworkUse {
	n := m.project.Networks[key]
	m.networks[key] = true
	if n.External {
		return quadlet.NetworkUse{Name: n.Name}
	}
	return quadlet.NetworkUse{Unit: n.Name}
}

// addNetworks adds the networks that are in use: Compose makes no others.
func (m *mapper) addNetworks() error {
	for _, key := range slices.Sorted(maps.Keys(m.networks)) {
		n := m.project.Networks[key]
		if n.External {
			continue
		}
		if err := m.nameOf("networks", key, n.Name); err != nil {
			return err
		}
		unit := quadlet.Network{Unit: n.Name, Name: n.Name, Source: m.source(key)}
		set := func(flag, value string) {
			unit.Settings = append(unit.Settings, quadlet.Setting{Flag: flag, Value: value})
		}
		field := func(f string) string { return "networks." + key + "." + f }
		switch n.Driver {
		case "", "bridge", "default":
		case "overlay":
			m.stop(n.Name, field("driver"), "network-driver", fmt.Sprintf("the network %s spans hosts (overlay), and Podman has none that do", key), "driver: bridge, if one host is enough")
		default:
			set("driver", n.Driver)
			m.note(n.Name, field("driver"), quadlet.Hint, fmt.Sprintf("the network %s has the driver %s, which rootless Podman may not be allowed to use", key, n.Driver), "podman network create --driver "+n.Driver+" tells")
		}
		for _, k := range slices.Sorted(maps.Keys(n.DriverOpts)) {
			v := n.DriverOpts[k]
			switch k {
			case "com.docker.network.driver.mtu", "mtu":
				set("opt", "mtu="+v)
			case "com.docker.network.bridge.name":
				set("interface-name", v)
			case "com.docker.network.bridge.enable_icc":
				if v == "false" {
					m.note(n.Name, field("driver_opts."+k), quadlet.Lost, "Podman does not keep containers of one network apart", "a network for each pair")
				}
			case "com.docker.network.bridge.enable_ip_masquerade":
				if v == "false" {
					m.note(n.Name, field("driver_opts."+k), quadlet.Lost, "a rootless network always masquerades", "internal: true, if it is to reach nothing outside")
				}
			case "isolate", "metric", "no_default_route", "vlan", "parent", "mode", "vrf", "bclim":
				set("opt", k+"="+v)
			default:
				m.note(n.Name, field("driver_opts."+k), quadlet.Lost, fmt.Sprintf("Podman's driver does not know the option %s", k), "podman-network-create(1) has those it knows")
			}
		}
		if d := n.Ipam.Driver; d != "" && d != "default" {
			set("ipam-driver", d)
		}
		m.pools(key, n, set)
		if n.Internal {
			set("internal", "true")
		}
		if n.EnableIPv6 != nil && *n.EnableIPv6 {
			set("ipv6", "true")
		}
		if n.EnableIPv4 != nil && !*n.EnableIPv4 {
			m.note(n.Name, field("enable_ipv4"), quadlet.Lost, fmt.Sprintf("the network %s has IPv4 as well: Podman cannot leave it out, except by a subnet of IPv6 alone", key), "ipam: with one subnet, of IPv6")
		}
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			set("label", k+"="+n.Labels[k])
		}
		m.stack.Networks = append(m.stack.Networks, unit)
	}
	return nil
}

// pools sets subnets. podman network create gives the first --gateway to the
// first --subnet, and so on: one that is left out would shift the others.
func (m *mapper) pools(key string, n types.NetworkConfig, set func(flag, value string)) {
	var gateways, ranges bool
	pools := slices.Clone(n.Ipam.Config)
	slices.SortStableFunc(pools, func(a, b *types.IPAMPool) int { return said3(b) - said3(a) })
	for _, p := range pools {
		if p == nil || p.Subnet == "" {
			m.note(n.Name, "networks."+key+".ipam.config", quadlet.Lost, "a pool without a subnet", "subnet:")
			continue
		}
		set("subnet", p.Subnet)
		for _, x := range []struct {
			flag, value string
			missing     *bool
		}{{"gateway", p.Gateway, &gateways}, {"ip-range", p.IPRange, &ranges}} {
			switch {
			case x.value == "":
				*x.missing = true
			case *x.missing:
				m.note(n.Name, "networks."+key+".ipam.config", quadlet.Lost,
					fmt.Sprintf("the %s %s would be given to another subnet, because one before it has none", x.flag, x.value), "a gateway and an ip_range for each subnet, or for none")
			default:
				set(x.flag, x.value)
			}
		}
	}
}

// said3 puts the pools that say most first.
func said3(p *types.IPAMPool) int {
	n := 0
	if p != nil && p.Gateway != "" {
		n += 2
	}
	if p != nil && p.IPRange != "" {
		n++
	}
	return n
}

// run of ports: as many on the host as in the container, one after the other.
type portRun struct {
	types.ServicePortConfig
	host, more uint64
}

func (s *service) publish() {
	var runs []portRun
	for _, p := range s.in.Ports {
		first, last, ranged := strings.Cut(p.Published, "-")
		if ranged {
			s.hint("ports", fmt.Sprintf("the port %d is published as %s: Podman does not choose a free one of %s-%s", p.Target, first, first, last), "one port in the file")
		}
		host, err := strconv.ParseUint(first, 10, 16)
		if err != nil || host == 0 {
			host = 0
			s.hint("ports", fmt.Sprintf("the port %d of %s is published on another port of the host at each start", p.Target, s.in.Name), fmt.Sprintf("HOSTPORT:%d in the file, which others can rely on", p.Target))
		} else if host < 1024 {
			s.hint("ports", fmt.Sprintf("port %d of the host is below 1024, which an account may not publish on unless the host allows it", host),
				fmt.Sprintf("as root: sysctl net.ipv4.ip_unprivileged_port_start=%d; or a port above 1023", host))
		}
		if n := len(runs); n > 0 && host > 0 {
			r := &runs[n-1]
			if r.host > 0 && host == r.host+r.more+1 && uint64(p.Target) == uint64(r.Target)+r.more+1 && p.HostIP == r.HostIP && p.Protocol == r.Protocol {
				r.more++
				continue
			}
		}
		runs = append(runs, portRun{p, host, 0})
	}
	for _, r := range runs {
		s.set("publish", r.String())
	}
	for _, e := range s.in.Expose {
		s.set("expose", e)
	}
}

func (r portRun) String() string {
	span := func(from uint64) string {
		if r.more == 0 {
			return strconv.FormatUint(from, 10)
		}
		return fmt.Sprintf("%d-%d", from, from+r.more)
	}
	text := span(uint64(r.Target))
	ip := r.HostIP
	if strings.Contains(ip, ":") && !strings.HasPrefix(ip, "[") {
		ip = "[" + ip + "]"
	}
	switch {
	case r.host > 0:
		text = span(r.host) + ":" + text
	case ip != "":
		text = ":" + text
	}
	if ip != "" {
		text = ip + ":" + text
	}
	if r.Protocol != "" && r.Protocol != "tcp" {
		text += "/" + r.Protocol
	}
	return text
}
