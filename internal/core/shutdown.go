package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// delayMargin is what is left of logind's grant when keeper lets go.
const delayMargin = 500 * time.Millisecond

// delayTaken: keeper holds a delay inhibitor, or could not have one.
func (d *decider) delayTaken(e DelayTaken) {
	d.DelayErr, d.DelayGrant = e.Err, e.Grant
	if e.Err == "" {
		d.over("delay")
		if d.ShuttingDown && !d.stopping {
			d.add(ReleaseDelay, "let the machine go down", "the delay came after its announcement")
		}
		return
	}
	d.noteTopic("delay", "go without a delay of shutdowns", e.Err)
}

// shutdown: the machine goes down, or does not after all.
func (d *decider) shutdown(active bool) {
	if d.ShuttingDown == active {
		return
	}
	d.ShuttingDown = active
	if !active {
		d.note("look again", "the shutdown was called off")
		for _, name := range d.stoppedFirst {
			if u, ok := d.Units[name]; ok {
				d.owe(u, "keeper stopped it for a shutdown that was called off", "")
			}
		}
		d.stoppedFirst = nil
		d.add(TakeDelay, "delay shutdowns again", "the last one was called off")
		d.see()
		d.containerHint()
		d.driftHint()
		return
	}
	first := d.stopFirst()
	if d.StandDown.InForce() {
		first = nil
	}
	if len(first) == 0 {
		d.note("leave everything as it is", "the machine goes down (PrepareForShutdown), and systemd stops the services in their order")
		d.add(ReleaseDelay, "let the machine go down", "there is nothing to do before")
		return
	}
	d.stoppedFirst, d.stopping = first, true
	d.stopSelf(first)
	d.actions = append(d.actions, Action{Kind: StopUnits, Units: first, Limit: max(d.DelayGrant-delayMargin, delayMargin),
		What:   "stop " + names(first) + " first",
		Reason: "the machine goes down (PrepareForShutdown), and nothing orders it before its stores"})
}

func (d *decider) unitsStopped(e UnitsStopped) {
	d.stopping = false
	if e.Err != "" {
		d.notStopped(e.Units)
	}
	if !d.ShuttingDown {
		return // called off: the delay that is held now is for the next one
	}
	if e.Err != "" {
		d.note("let the machine go down", e.Err)
	}
	d.add(ReleaseDelay, "let the machine go down", "what had to stop first was seen to")
}

// stopFirst returns the services that systemd may stop after the stores they
// use: applications that share a network with a store and are not ordered
// after it.
func (d *decider) stopFirst() []string {
	var first []string
	for _, g := range Gaps(d.Units) {
		u := d.Units[g.Unit]
		if u.Active == "active" && !slices.Contains(first, u.Name) {
			first = append(first, u.Name)
		}
	}
	slices.Sort(first)
	return first
}

// Gap is an application that is not ordered after a store it can reach.
type Gap struct{ Unit, Store string }

// Gaps returns where the order of stopping is left to chance. Ordering is what
// systemd goes by: it stops in the reverse of After=.
func Gaps(units map[string]Unit) []Gap {
	var gaps []Gap
	for _, u := range units {
		if !u.IsService() || IsStore(u.Image) {
			continue
		}
		for _, s := range units {
			if s.IsService() && IsStore(s.Image) && share(u.Networks, s.Networks) && !slices.Contains(u.After, s.Name) {
				gaps = append(gaps, Gap{Unit: u.Name, Store: s.Name})
			}
		}
	}
	slices.SortFunc(gaps, func(a, b Gap) int { return strings.Compare(a.Unit+" "+a.Store, b.Unit+" "+b.Store) })
	return gaps
}

func share(a, b []string) bool {
	return slices.ContainsFunc(a, func(n string) bool { return slices.Contains(b, n) })
}

// stores are the names that images of data stores go by.
var stores = []string{
	"postgres", "postgresql", "postgis", "pgvector", "timescaledb", "mysql", "mariadb", "percona",
	"redis", "valkey", "keydb", "dragonfly", "minio", "mongo", "mongodb", "rabbitmq", "nats", "kafka",
	"elasticsearch", "opensearch", "clickhouse-server", "influxdb", "cassandra", "etcd", "couchdb", "neo4j",
}

// IsStore says whether an image is that of a data store, judged by its name.
func IsStore(image string) bool { return slices.Contains(stores, imageName(image)) }

// imageName is the last part of an image's name, without tag or digest.
func imageName(image string) string {
	name := image[strings.LastIndexByte(image, '/')+1:]
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// ShutdownNeed is how long what keeper stops first may take: as long as the
// slowest of them, for they stop side by side. Zero where there is nothing.
func ShutdownNeed(units map[string]Unit) time.Duration {
	var need time.Duration
	for _, g := range Gaps(units) {
		need = max(need, units[g.Unit].StopLimit)
	}
	return need
}

// String is for a person.
func (g Gap) String() string {
	return fmt.Sprintf("%s is not ordered after %s", strings.TrimSuffix(g.Unit, ".service"), strings.TrimSuffix(g.Store, ".service"))
}
