package units

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"keeper/internal/core"
)

// Daemon is keeper's own unit.
const Daemon = "keeper.service"

// helperScopes are how the names of the scopes of Podman's helpers begin.
var helperScopes = []string{"podman-pause-", "rootless-netns-"}

// OwnUnit looks at one of keeper's own units; stop says to look at the program
// that its stop runs, and not at that of its start.
func (c *Conn) OwnUnit(ctx context.Context, name string, stop bool) (core.OwnUnit, error) {
	p, err := c.properties(ctx, name)
	if err != nil {
		return core.OwnUnit{}, err
	}
	o := core.OwnUnit{Active: text(p, "ActiveState") == "active", Enabled: enabled(p)}
	o.Stale, _ = p["NeedDaemonReload"].(bool)
	before, _ := p["Before"].([]string)
	conflicts, _ := p["Conflicts"].([]string)
	o.Ordered = slices.Contains(before, "basic.target") && slices.Contains(before, "shutdown.target") && slices.Contains(conflicts, "shutdown.target")
	cctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	s, err := c.sd.GetUnitTypePropertiesContext(cctx, name, "Service")
	if err != nil {
		return o, fmt.Errorf("cannot read the properties of %s: %w", name, err)
	}
	key := "ExecStart"
	if stop {
		key = "ExecStop"
	}
	if lines, _ := s[key].([][]any); len(lines) > 0 && len(lines[0]) > 0 {
		o.Program, _ = lines[0][0].(string)
		fi, err := os.Stat(o.Program)
		o.Missing = err != nil || fi.Mode()&0o111 == 0
	} else {
		o.Missing = true
	}
	return o, nil
}

// Survey is what the doctor wants to know of all units: with hundreds of them each
// question more is seconds.
type Survey struct {
	Units []core.Unit
	// Early are the services that are not ordered after basic.target, which
	// keeper-session.service comes before.
	Early []string
	// Terms are those of each service.
	Terms map[string]core.Terms
}

// Survey looks at every unit that Quadlet made.
func (c *Conn) Survey(ctx context.Context) (Survey, error) {
	v := Survey{Terms: map[string]core.Terms{}}
	list, err := c.list(ctx, func(u core.Unit, p, s map[string]any) {
		if !u.IsService() {
			return
		}
		v.Terms[u.Name] = terms(p, s)
		if after, _ := p["After"].([]string); !slices.Contains(after, "basic.target") {
			v.Early = append(v.Early, u.Name)
		}
	})
	if err != nil {
		return Survey{}, err
	}
	// systemd has them in the order of a hash, another each time.
	slices.SortFunc(list, func(a, b core.Unit) int { return strings.Compare(a.Name, b.Name) })
	slices.Sort(v.Early)
	v.Units = list
	return v, nil
}

// Loose returns the scopes of Podman's helpers that nothing orders before
// basic.target: they stop before the containers do.
func (c *Conn) Loose(ctx context.Context) ([]string, error) {
	cctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	list, err := c.sd.ListUnitsByPatternsContext(cctx, []string{"active"}, []string{"*.scope"})
	if err != nil {
		return nil, fmt.Errorf("cannot list the scopes: %w", err)
	}
	var loose []string
	for _, u := range list {
		if !slices.ContainsFunc(helperScopes, func(prefix string) bool { return strings.HasPrefix(u.Name, prefix) }) {
			continue
		}
		p, err := c.properties(ctx, u.Name)
		if err != nil {
			return nil, err
		}
		if before, _ := p["Before"].([]string); !slices.Contains(before, "basic.target") {
			loose = append(loose, u.Name)
		}
	}
	return loose, nil
}
