package podman

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/containers/podman/v5/libpod/define"
	"github.com/containers/podman/v5/pkg/domain/entities/types"

	"keeper/internal/quadlet"
)

// defaultNetwork is the one that is always there.
const defaultNetwork = "podman"

// network is what a container has of it. A container of a pod has the pod's.
func (m *maker) network() {
	h := m.d.HostConfig
	m.ports()
	m.hostname()
	if m.infra != nil && m.infra != m.d && h.NetworkMode == "container:"+m.infra.ID {
		return
	}
	m.out.Networks = m.networks()
	m.setAll("dns", h.Dns)
	if len(h.Dns) == 0 {
		if v, ok := m.cmd.last("dns"); ok && v == "none" {
			m.set("dns", "none")
		}
	}
	m.setAll("dns-search", h.DnsSearch)
	m.setAll("dns-option", h.DnsOptions)
	m.setAll("add-host", h.ExtraHosts)
	if m.d.UseImageHosts {
		m.set("no-hosts", "true")
	}
	m.setIf("hosts-file", h.HostsFile)
	if m.d.UseImageHostname {
		m.set("no-hostname", "true")
	}
}

func (m *maker) networks() []quadlet.NetworkUse {
	mode := m.d.HostConfig.NetworkMode
	given := m.cmd.all("network", "net")
	switch {
	case mode == "bridge":
		return m.bridges(given)
	case mode == "host" || mode == "none" || strings.HasPrefix(mode, "ns:"):
		return []quadlet.NetworkUse{{Name: mode}}
	case strings.HasPrefix(mode, "container:"):
		id := strings.TrimPrefix(mode, "container:")
		if c := m.byID[id]; c != nil {
			id = c.Name
		}
		return []quadlet.NetworkUse{{Name: "container:" + id}}
	}
	// pasta and slirp4netns: inspecting does not tell their options.
	for _, g := range given {
		if name, options, ok := strings.Cut(g, ":"); ok && name == mode {
			return []quadlet.NetworkUse{{Name: name, Options: strings.Split(options, ",")}}
		}
	}
	if mode == "" || mode == "default" || mode == "private" || mode == m.f.Network {
		return nil
	}
	return []quadlet.NetworkUse{{Name: mode}}
}

// bridges are the networks with a name. Addresses are told as long as the
// container runs, and not whether they were asked for: that is on the command
// line alone. To pin one that was only given out would block it for others.
func (m *maker) bridges(given []string) []quadlet.NetworkUse {
	asked := map[string][]string{}
	for _, g := range given {
		for _, one := range networkNames(g) {
			name, options, _ := strings.Cut(one, ":")
			if options != "" {
				asked[name] = append(asked[name], networkOptions(options)...)
			}
		}
	}
	var list []quadlet.NetworkUse
	names := slices.Sorted(maps.Keys(m.d.NetworkSettings.Networks))
	for _, name := range names {
		use := quadlet.NetworkUse{Unit: unitName(name)}
		if name == defaultNetwork {
			use = quadlet.NetworkUse{Name: name}
		}
		use.Options = asked[name]
		if len(names) == 1 {
			for _, flag := range []string{"ip", "ip6"} {
				if v, ok := m.cmd.last(flag); ok {
					use.Options = append(use.Options, flag+"="+v)
				}
			}
			if v, ok := m.cmd.last("mac-address"); ok {
				use.Options = append(use.Options, "mac="+v)
			}
		}
		if n := m.d.NetworkSettings.Networks[name]; n != nil {
			for _, alias := range m.aliases(n.Aliases) {
				use.Options = append(use.Options, "alias="+alias)
			}
			if !m.cmd.known && n.IPAddress+n.GlobalIPv6Address != "" {
				m.lost("ip", "whether its address %s in network %s was asked for is not recorded: the unit takes what it is given", cmp.Or(n.IPAddress, n.GlobalIPv6Address), name)
			}
		}
		list = append(list, use)
	}
	return list
}

// networkNames takes --network a,b apart, which Podman still reads, but not
// --network a:alias=x,alias=y.
func networkNames(value string) []string {
	if strings.Contains(value, ":") {
		return []string{value}
	}
	return strings.Split(value, ",")
}

// networkOptions leaves the aliases to what inspecting says of them: the
// command line may have lost them.
func networkOptions(options string) []string {
	return slices.DeleteFunc(strings.Split(options, ","), func(o string) bool { return o == "" || strings.HasPrefix(o, "alias=") })
}

// aliases are those that Podman has not added by itself: the short ID, and the
// host name (container_internal_common.go of 5.x: "if an explicit hostname was
// set add it as well").
func (m *maker) aliases(list []string) []string {
	own := []string{short(m.d.ID), m.d.Config.Hostname}
	if m.infra != nil {
		own = append(own, short(m.infra.ID), m.infra.Config.Hostname)
	}
	var kept []string
	for _, a := range list {
		if a != "" && !slices.Contains(own, a) && !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	return kept
}

func (m *maker) hostname() {
	name, h := m.d.Config.Hostname, m.d.HostConfig
	switch {
	case name == "" || name == short(m.d.ID), strings.HasPrefix(h.UTSMode, "container:"), h.UTSMode == "host", m.d.UseImageHostname:
	case h.NetworkMode == "host" && name == m.f.Hostname:
	case m.joinedHostname(name):
	default:
		m.set("hostname", name)
	}
	// Podman has no option for it but the whole name.
	if d := m.d.Config.DomainName; d != "" && !strings.HasSuffix(name, "."+d) {
		m.lost("domainname", "it has the domain name %s, and Podman sets none", d)
	}
}

// joinedHostname says that the name is that of the container whose network this
// one uses: Podman takes it over.
func (m *maker) joinedHostname(name string) bool {
	id, ok := strings.CutPrefix(m.d.HostConfig.NetworkMode, "container:")
	if !ok {
		return false
	}
	c := m.byID[id]
	return c != nil && c.Config.Hostname == name
}

// ports are those published and those exposed.
func (m *maker) ports() {
	h := m.d.HostConfig
	published := map[string]bool{}
	for _, p := range publishedPorts(h.PortBindings) {
		published[p.inside] = true
		if p.protocol == "tcp" {
			m.out.HostPorts = append(m.out.HostPorts, dialable(p.ip, p.port))
		}
		m.set("publish", p.value(m.cmd))
		if h.PublishAllPorts {
			m.hint("publish", "", "port %s was chosen by Podman (--publish-all) for %s: the unit keeps it", p.port, p.inside)
		} else if m.cmd.known && p.random(m.cmd) {
			m.hint("publish", "", "port %s was chosen by Podman for %s: the unit keeps it", p.port, p.inside)
		}
	}
	exposed := map[string]bool{}
	for p := range m.d.Config.ExposedPorts {
		exposed[p] = true
	}
	// Before 5.2 or so they are only here.
	for p := range m.d.NetworkSettings.Ports {
		exposed[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(exposed)) {
		if m.image.Config != nil {
			if _, ok := m.image.Config.ExposedPorts[p]; ok {
				continue
			}
		}
		if !published[p] && (m.infra == nil || m.infra == m.d || m.infra.Config.ExposedPorts == nil) && !m.infraPort(p) {
			m.set("expose", strings.TrimSuffix(p, "/tcp"))
		}
	}
}

func (m *maker) infraPort(p string) bool {
	if m.infra == nil || m.infra == m.d {
		return false
	}
	_, ok := m.infra.NetworkSettings.Ports[p]
	return ok
}

type port struct{ ip, port, number, protocol, inside string }

func publishedPorts(bindings map[string][]define.InspectHostPort) []port {
	var list []port
	for inside, hosts := range bindings {
		number, protocol, _ := strings.Cut(inside, "/")
		for _, h := range hosts {
			list = append(list, port{h.HostIP, h.HostPort, number, cmp.Or(protocol, "tcp"), inside})
		}
	}
	slices.SortFunc(list, func(a, b port) int {
		x, _ := strconv.Atoi(a.number)
		y, _ := strconv.Atoi(b.number)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.ip, b.ip), cmp.Compare(a.port, b.port))
	})
	return list
}

// value is what --publish takes.
func (p port) value(cmd commandLine) string {
	value := p.port + ":" + p.number
	switch {
	// Podman tells "every address" as 0.0.0.0 (makeInspectPortBindings), which to
	// --publish is IPv4 alone.
	case p.ip == "" || p.ip == "0.0.0.0" && !p.asked(cmd):
	case strings.Contains(p.ip, ":"):
		value = "[" + p.ip + "]:" + value
	default:
		value = p.ip + ":" + value
	}
	if p.protocol != "tcp" {
		value += "/" + p.protocol
	}
	return value
}

func (p port) asked(cmd commandLine) bool {
	return slices.ContainsFunc(cmd.all("publish"), func(v string) bool {
		return strings.HasPrefix(v, p.ip+":") && strings.Contains(v, p.port)
	})
}

// random says that no --publish names a port of the host for it.
func (p port) random(cmd commandLine) bool {
	return slices.ContainsFunc(cmd.all("publish"), func(v string) bool {
		v, protocol, _ := strings.Cut(v, "/")
		host, inside, found := "", v, false
		if i := strings.LastIndexByte(v, ':'); i >= 0 {
			host, inside, found = v[:i], v[i+1:], true
		}
		// 80, and 127.0.0.1::80
		return inside == p.number && cmp.Or(protocol, "tcp") == p.protocol && (!found || host == "" || strings.HasSuffix(host, ":"))
	})
}

// network makes the model of a network. A subnet stays even where Podman chose
// it: nothing tells the two apart, and static addresses, firewall rules and
// lines of pg_hba.conf depend on it.
func (f *facts) network(n types.NetworkInspectReport) quadlet.Network {
	out := quadlet.Network{Unit: unitName(n.Name), Name: n.Name, Source: quadlet.Source{Kind: quadlet.FromContainer, Name: n.Name}}
	set := func(flag, value string) {
		if value != "" {
			out.Settings = append(out.Settings, quadlet.Setting{Flag: flag, Value: value})
		}
	}
	if n.Driver != "bridge" {
		set("driver", n.Driver)
	}
	for _, s := range n.Subnets {
		if s.Subnet.IP == nil {
			continue
		}
		subnet := s.Subnet.String()
		set("subnet", subnet)
		if s.Gateway != nil && s.Gateway.String() != firstAddress(subnet) {
			set("gateway", s.Gateway.String())
		}
		if r := s.LeaseRange; r != nil {
			set("ip-range", ipRange(r.StartIP, r.EndIP))
		}
	}
	for _, r := range n.Routes {
		if r.Destination.IP == nil {
			continue
		}
		route := r.Destination.String() + "," + r.Gateway.String()
		if r.Metric != nil {
			route += "," + strconv.FormatUint(uint64(*r.Metric), 10)
		}
		set("route", route)
	}
	set("internal", yes(n.Internal))
	set("ipv6", yes(n.IPv6Enabled))
	if n.Driver == "bridge" {
		set("disable-dns", yes(!n.DNSEnabled))
	}
	for _, s := range n.NetworkDNSServers {
		set("dns", s)
	}
	if d := n.IPAMOptions["driver"]; d != "host-local" && (d != "dhcp" || n.Driver == "bridge") {
		set("ipam-driver", d)
	}
	if i := n.NetworkInterface; n.Driver != "bridge" || !numbered(i) {
		set("interface-name", i)
	}
	for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
		if !toolsOwn(key) {
			set("label", key+"="+n.Labels[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Options)) {
		set("opt", key+"="+n.Options[key])
	}
	sortSettings(out.Settings)
	return out
}

// numbered says that Podman made up the name of a bridge: podman1, podman2, ….
func numbered(name string) bool {
	n, ok := strings.CutPrefix(name, "podman")
	if !ok {
		return name == ""
	}
	_, err := strconv.Atoi(n)
	return err == nil
}

// firstAddress is the gateway that Podman chooses.
func firstAddress(subnet string) string {
	p, err := netip.ParsePrefix(subnet)
	if err != nil {
		return ""
	}
	return p.Masked().Addr().Next().String()
}

// ipRange writes a range as --ip-range was given, if that can be: Podman keeps
// the first and the last address of 10.0.0.128/25, without the 128.
func ipRange(from, to net.IP) string {
	first, ok1 := netip.AddrFromSlice(from)
	last, ok2 := netip.AddrFromSlice(to)
	if !ok1 || !ok2 {
		return ""
	}
	first, last = first.Unmap(), last.Unmap()
	base := first.Prev()
	for bits := base.BitLen(); bits > 0 && base.IsValid(); bits-- {
		p := netip.PrefixFrom(base, bits)
		if p.Masked().Addr() != base {
			break
		}
		if end := lastAddress(p); end == last {
			return p.String()
		}
	}
	return first.String() + "-" + last.String()
}

func lastAddress(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
