package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/app"
	"keeper/internal/control"
	"keeper/internal/core"
	"keeper/internal/history"
	"keeper/internal/paths"
	"keeper/internal/standdown"
	"keeper/internal/term"
)

func statusCommand(io term.IO) *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show how the services are, and whether the stack would survive",
		Example: "  keeper status\n  keeper status --watch\n  keeper status --json",
		Long: `status shows what is wrong, each with what to type; how each service is; whether
the stack would come back; and what keeper did. Without the daemon it shows the last
known state, marked STALE.

With --all-users root asks every account of this host that lingers, or whose user manager
runs keeper: a line for each, and what is wrong with it.

Exit codes: 0 all is well, 3 something is wrong or keeper stands down, 4 the daemon
does not answer. With --all-users the worst of all, and 1 if one could not be asked.`,
	}
	asJSON := c.Flags().Bool("json", false, "print JSON (version 1)")
	watch := c.Flags().Bool("watch", false, "stay, and show every change; with --json: a line for each")
	all := c.Flags().Bool("all-users", false, "as root: all accounts of this host")
	c.MarkFlagsMutuallyExclusive("all-users", "watch")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *all {
			return newAllUsers(io, false, *asJSON).run(c.Context())
		}
		if *watch {
			return watchStatus(c.Context(), io, *asJSON)
		}
		st, err := getStatus(c.Context())
		if err != nil && !errors.Is(err, control.ErrUnreachable) {
			return err
		}
		st.Guard = app.ExamineGuard(c.Context())
		if perr := printStatus(io.Out, st, *asJSON, err); perr != nil {
			return perr
		}
		switch {
		case err != nil:
			return term.Exit{Code: term.ExitUnreachable}
		case !st.Well:
			return term.Exit{Code: term.ExitDegraded}
		}
		return nil
	}
	return c
}

// getStatus asks the daemon. Where it does not answer, it returns the last
// status that was kept, marked stale, together with control.ErrUnreachable.
func getStatus(ctx context.Context) (control.Status, error) {
	p, marks, err := here()
	if err != nil {
		return control.Status{}, err
	}
	st, err := control.Get(ctx, p.Socket)
	if err == nil || !errors.Is(err, control.ErrUnreachable) {
		return st, err
	}
	return lastKnown(ctx, p, marks, err)
}

// lastKnown is what can be said without the daemon: what it kept, what the last
// rearm left, and whether there is a user manager at all.
func lastKnown(ctx context.Context, p paths.Paths, marks standdown.Marks, err error) (control.Status, error) {
	var st control.Status
	store := history.Store{Dir: p.State}
	kept, kerr := store.Peek()
	if kerr == nil && len(kept.Status) > 0 {
		kerr = json.Unmarshal(kept.Status, &st)
	}
	if st.Units == nil {
		st.Units, st.Survivals, st.Decisions = []core.Unit{}, []control.Survival{}, []core.Decision{}
	}
	st.Stale, st.Well, st.Version, st.UID = true, false, control.WireVersion, os.Getuid()
	st.NotKept = kerr == nil && st.At.IsZero() && !enabled(p)
	st.StandDown = nil
	if s := marks.Read(ctx, time.Now()); s.InForce() {
		st.StandDown = &s
	}
	heldNow(&st, marks)
	st.Rearm = control.Rearm{WhyNot: "unknown while the daemon does not answer"}
	if all, rerr := store.Rearms(); rerr == nil && len(all) > 0 {
		st.Rearm.Last = &all[len(all)-1]
	}
	cause := control.Problem{
		What: "the daemon does not answer", Try: "systemctl --user status keeper; systemctl --user enable --now keeper",
	}
	if c, derr := net.DialTimeout("unix", filepath.Join(p.Runtime, "systemd", "private"), time.Second); derr != nil {
		cause = control.Problem{
			What: "the user manager is not running, and so nothing of the account is",
			Try:  fmt.Sprintf("as root: systemctl start user@%d", st.UID),
		}
	} else {
		_ = c.Close()
	}
	st.Problems = []control.Problem{cause}
	if kerr != nil {
		st.Problems = append(st.Problems, control.Problem{What: "the last known state cannot be read: " + kerr.Error()})
	}
	if st.StandDown != nil {
		st.Problems = append(st.Problems, control.StoodDown(st))
	}
	return st, err
}

// enabled says whether the user manager is to start the daemon by itself, as systemctl
// enable notes it (systemd.unit(5)): for this account, or for all.
func enabled(p paths.Paths) bool {
	config := filepath.Dir(filepath.Dir(p.Settings))
	for _, dir := range []string{config, "/etc"} {
		found, _ := filepath.Glob(filepath.Join(dir, "systemd", "user", "*.wants", "keeper.service")) // a wrong pattern finds none
		if len(found) > 0 {
			return true
		}
	}
	return false
}

// heldNow puts into a status that was kept what a person told keeper since.
func heldNow(st *control.Status, marks standdown.Marks) {
	held, err := marks.Held(time.Now())
	if err != nil {
		return // what was kept is the best there is
	}
	for i := range st.Services {
		v := &st.Services[i]
		h, ok := held[v.Name]
		switch {
		case ok:
			v.Hold, v.Desired = &h, core.DesiredHeld
		case v.Hold != nil:
			v.Hold, v.Desired = nil, "" // the daemon will know
		}
	}
}

func printStatus(w io.Writer, st control.Status, asJSON bool, err error) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(st)
	}
	_, werr := io.WriteString(w, renderer{now: time.Now(), paint: term.Colours(w)}.page(st, err != nil))
	return werr
}

// page is the whole text; gone says that the daemon does not answer.
func (r renderer) page(st control.Status, gone bool) string {
	var b strings.Builder
	if gone {
		fmt.Fprintf(&b, "%s\n", r.bad("The keeper daemon does not answer."))
		if st.At.IsZero() {
			b.WriteString("  nothing is known from before\n\n")
			r.problems(&b, st.Problems)
			return b.String()
		}
		fmt.Fprintf(&b, "  what follows is its last known state, %s old: STALE\n\n", r.ago(st.At))
	}
	r.status(&b, st)
	return b.String()
}

// renderer turns a status into text.
type renderer struct {
	now   time.Time
	paint bool
}

func (r renderer) status(b *strings.Builder, st control.Status) {
	head := r.good("all is well")
	if !st.Well {
		head = r.bad("not all is well")
	}
	fmt.Fprintf(b, "%s for %s (uid %d)%s\n\n", head, st.User, st.UID, stoppedBySomebody(st.Services))
	r.problems(b, st.Problems)
	r.incidents(b, st.Incidents)
	if len(st.Problems)+len(st.Incidents) > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "linger  %s%s\n", r.mark(st.Linger.State == "on", string(st.Linger.State)), r.since(st.Linger.Since))
	switch {
	case st.Stale:
	case st.Rearm.Armed:
		fmt.Fprintf(b, "rearm   %s\n", r.good("armed"))
	default:
		fmt.Fprintf(b, "rearm   %s: %s\n", r.bad("not armed"), st.Rearm.WhyNot)
	}
	if !st.Stale {
		fmt.Fprintf(b, "root    %s\n", rootsPart(st.Root))
		fmt.Fprintf(b, "daemon  %s, pid %d%s\n", st.Daemon.Release, st.Daemon.PID, r.since(st.Daemon.Since))
	}
	if st.Guard != nil {
		fmt.Fprintf(b, "guard   %s\n", r.guard(*st.Guard))
	}
	r.services(b, st)
	r.unkept(b, st.Unkept)
	r.drift(b, st)
	r.survivals(b, st.Survivals)
	r.decisions(b, st)
}

// stoppedBySomebody names what a person stopped: no problem, but nothing to miss
// either, for the person may have been somebody else.
func stoppedBySomebody(services []core.Service) string {
	var names []string
	for _, v := range services {
		if v.Desired == core.DesiredStopped {
			names = append(names, v.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; somebody stopped " + list(names)
}

// rootsPart says what is in force of root's part.
func rootsPart(root core.Root) string {
	switch {
	case root.Armor && root.Revive:
		return "armor and revive"
	case root.Revive:
		return "revive, without armor"
	case root.Armor:
		return "armor, without revive"
	}
	return "not installed: SIGKILL of the user manager, and its exit with a login session open, stay fatal (keeper doctor)"
}

func (r renderer) problems(b *strings.Builder, list []control.Problem) {
	for _, p := range list {
		fmt.Fprintf(b, "  %s %s\n", r.bad("!"), p.What)
		if p.Try != "" {
			fmt.Fprintf(b, "    type: %s\n", p.Try)
		}
	}
}

// incidents are those that are open.
func (r renderer) incidents(b *strings.Builder, list []control.Incident) {
	for n, i := range list {
		if n == shown {
			fmt.Fprintf(b, "  and %d more incidents: keeper history\n", len(list)-shown)
			break
		}
		drill := ""
		if i.Drill != "" {
			drill = "drill " + i.Drill + ": "
		}
		if i.Mended.IsZero() {
			fmt.Fprintf(b, "  incident %s, for %s: %s%s\n", i.ID, r.ago(i.Began), drill, control.Line(i.Cause))
		} else {
			fmt.Fprintf(b, "  incident %s, mended %s ago: %s%s; it is over if all stays well for %s\n",
				i.ID, r.ago(i.Mended), drill, control.Line(i.Cause), core.Span(time.Duration(i.HoldMS)*time.Millisecond))
		}
		fmt.Fprintf(b, "    type: keeper incident %s\n", i.ID)
	}
}

const shown = 5

func (r renderer) survivals(b *strings.Builder, list []control.Survival) {
	if len(list) == 0 {
		return
	}
	b.WriteString("\nsurvived\n")
	for i, s := range list {
		if i == shown {
			fmt.Fprintf(b, "  and %d more: keeper status --json\n", len(list)-shown)
			break
		}
		atMost := ""
		if s.Kind == core.LifeBooted && !s.Clean {
			atMost = "at most "
		}
		fmt.Fprintf(b, "  %s  %s; back after %s%.2f s", r.when(s.At), s.Cause, atMost, float64(s.OutageMS)/1000)
		for j, o := range s.Services {
			sep := ", "
			if j == 0 {
				sep = " ("
			}
			fmt.Fprintf(b, "%s%s %.2f", sep, strings.TrimSuffix(o.Name, ".service"), float64(o.OutageMS)/1000)
		}
		b.WriteString(")\n")
	}
}

func (r renderer) decisions(b *strings.Builder, st control.Status) {
	if len(st.Waiting) > 0 {
		fmt.Fprintf(b, "\nnot back yet: %s\n", strings.Join(st.Waiting, ", "))
	}
	if last := st.Rearm.Last; last != nil && !last.Done && last.Reason != core.MachineGoesDown {
		fmt.Fprintf(b, "\nlast rearm  %s  %s: %s%s\n", r.when(last.At), r.bad("not done"), last.Reason, after("; ", last.Err))
	}
	if len(st.Decisions) == 0 {
		return
	}
	b.WriteString("\ndecided\n")
	for i, d := range st.Decisions {
		if i == shown {
			break
		}
		fmt.Fprintf(b, "  %s  %s: %s\n", r.when(d.At), control.Line(d.What), control.Line(d.Reason))
	}
}

// after is s behind a separator, or nothing.
func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

func (r renderer) when(t time.Time) string { return t.Local().Format(time.DateTime) }

func (r renderer) since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", for " + r.ago(t)
}

// ago is how long ago t was, to the unit a person would say.
func (r renderer) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(0, r.now.Sub(t))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func (r renderer) colour(code, s string) string { return term.Paint(r.paint, code, s) }

func (r renderer) good(s string) string { return r.colour("32", s) }
func (r renderer) bad(s string) string  { return r.colour("1;31", s) }

func (r renderer) mark(ok bool, s string) string {
	if ok {
		return r.good(s)
	}
	return r.bad(s)
}
