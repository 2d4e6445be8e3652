package core

import (
	"slices"
	"strings"
	"time"
)

const (
	// helperSettle is how long a network helper must have been dead: with the
	// last container of a network it goes by itself, before its traces do.
	helperSettle = time.Second
	// mendWait is the wait after a mending that did not help; it doubles, up to
	// LookEvery.
	mendWait = 5 * time.Second
	// managerEvery is how often the user manager is looked at for having been
	// stopped by a signal, of which nothing tells.
	managerEvery = 30 * time.Second
)

func (d *decider) helperHint() {
	d.helpersAt = earlier(d.helpersAt, d.now.Add(helperSettle))
}

func (d *decider) helpersSeen(e HelpersSeen) {
	if d.orphaned(e.Orphaned) {
		return
	}
	switch {
	case len(e.Dead) == 0:
		d.over("network")
		d.deadHelpers, d.mends, d.mendAfter = "", 0, time.Time{}
		return
	case d.mending:
		return
	}
	dead := strings.Join(e.Dead, " and ")
	if d.deadHelpers != dead {
		// Seen once; it counts if it is still so in a moment.
		d.deadHelpers = dead
		d.helperHint()
		return
	}
	if !d.mayAct() {
		return // the next look at everything sees it again
	}
	if d.now.Before(d.mendAfter) {
		d.helpersAt = earlier(d.helpersAt, d.mendAfter)
		return
	}
	d.mending = true
	d.actions = append(d.actions, Action{Kind: MendNetwork, Retry: d.mends > 0,
		What: "have Podman set up its networks again", Reason: dead + " died, which containers reach others and the world by"})
}

func (d *decider) networkMended(e NetworkMended) {
	d.mending = false
	d.mends++
	d.mendAfter = d.now.Add(min(mendWait<<min(d.mends-1, 6), LookEvery))
	d.helperHint() // whatever Podman says: to be sure
	if e.Err != "" {
		d.noteTopic("network", "try to mend the networks again later", e.Err)
	}
}

// RenewLimit is how long a renewal of the runtime state may take.
const RenewLimit = 2 * time.Minute

// orphaned sees to containers whose runtime state was removed under them: no
// command of Podman's reaches them, and their ports are dead. All services are
// stopped, what is left is cleared, and they are started again. It says whether
// there is such a thing.
func (d *decider) orphaned(now bool) bool {
	was := d.orphan
	d.orphan = now
	switch {
	case !now:
		d.over("runtime")
		d.renews, d.renewAfter = 0, time.Time{}
		return false
	case d.renewing || !d.mayAct():
		return true
	case !was:
		d.helperHint() // if it is still so in a moment
		return true
	case d.now.Before(d.renewAfter):
		d.helpersAt = earlier(d.helpersAt, d.renewAfter)
		return true
	}
	var running []string
	for _, u := range d.Units {
		if u.Runs() && !u.Stopped && u.Active != "inactive" && u.Active != "failed" {
			running = append(running, u.Name)
			d.owe(u, "keeper stopped it, for the runtime state of Podman's was removed under it", "")
		}
	}
	if len(running) == 0 {
		return true
	}
	slices.Sort(running)
	d.renewing = true
	d.stopSelf(running)
	d.actions = append(d.actions, Action{Kind: RenewRuntime, Units: running, Limit: RenewLimit, Retry: d.renews > 0,
		What:   "restart " + names(running),
		Reason: "the runtime state of Podman's was removed under them, so that their ports are dead and nothing reaches them"})
	return true
}

func (d *decider) runtimeRenewed(e RuntimeRenewed) {
	d.renewing = false
	d.renews++
	d.renewAfter = d.now.Add(min(time.Minute<<min(d.renews-1, 4), 2*LookEvery))
	d.helperHint()
	if e.Err != "" {
		d.notStopped(e.Units)
		d.noteTopic("runtime", "leave Podman's runtime state to a person", e.Err)
	}
}

func (d *decider) managerSeen(e ManagerSeen) {
	d.managerAt = d.now.Add(managerEvery)
	if !e.Stopped {
		d.over("manager")
		d.managerFroze = false
		return
	}
	if !d.standSeen || d.StandDown.InForce() {
		return
	}
	d.actions = append(d.actions, Action{Kind: WakeManager, Retry: d.managerFroze,
		What: "continue the user manager", Reason: "somebody stopped it by a signal, so that nothing is restarted or answered"})
	d.managerFroze = true
}
