package adoptcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/adopt"
	"keeper/internal/compose"
	"keeper/internal/quadlet"
	"keeper/internal/term"
)

// planVersion is the version of the JSON of a plan.
const planVersion = 1

const adoptHelp = `adopt turns containers into Quadlet units, which come back after the end of a
session, a reboot, and terminate-user. It shows a plan; --apply carries it out.

With --apply the containers are stopped in order, their units started, and the
old containers removed once the new ones have proved themselves. If anything
fails, everything is put back. Data in anonymous volumes goes into named ones,
without being copied. Your own unit files are never overwritten: what keeper
would add to one that you edited goes into a drop-in beside it.

Containers that do not run, or are to go when they end (--rm), are shown and left
alone unless you name them, or their restart policy says that they are to run.

Exit codes: 0 done, or nothing to do; 1 error, and nothing was changed; 2 wrong
use; 3 something stops the plan, or a unit is not loaded.`

const adoptExample = `  keeper adopt                         # what there is, and what would be done
  keeper adopt web db --diff           # the files, held against those on disk
  keeper adopt web db --apply          # do it, for these two
  keeper adopt --all --apply           # do it, for all that runs
  keeper adopt --compose compose.yaml  # the same for the services of a Compose file
  keeper adopt --check                 # why is my unit not loaded?
  keeper adopt --undo                  # put back what an interrupted adoption did`

type adoptFlags struct {
	all, apply, dryRun, diff, check, undo, asJSON, secrets, keepOld bool
	compose, profiles, accept                                       []string
	project                                                         string
}

func adoptCommand(to term.IO) *cobra.Command {
	var f adoptFlags
	c := &cobra.Command{Use: "adopt [NAME...]", Short: "Turn containers and Compose files into Quadlet units", Long: adoptHelp, Example: adoptExample, Args: cobra.ArbitraryArgs}
	c.SetHelpTemplate("{{.Long}}\n\nExamples:\n{{.Example}}\n\nFlags:\n{{.LocalFlags.FlagUsages}}")
	flags := c.Flags()
	flags.BoolVar(&f.all, "all", false, "all containers that run, or are meant to")
	flags.BoolVar(&f.apply, "apply", false, "carry the plan out")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show the plan, whatever else is said (the default)")
	flags.BoolVar(&f.diff, "diff", false, "show the files, held against those on disk")
	flags.BoolVar(&f.check, "check", false, "say of each unit file on disk whether it is loaded, and why not")
	flags.BoolVar(&f.undo, "undo", false, "put back what an interrupted adoption did")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON (version 1)")
	flags.BoolVar(&f.secrets, "secrets", false, "make podman secrets of passwords in environments")
	flags.BoolVar(&f.keepOld, "keep-old", false, "keep the old containers, renamed and stopped")
	flags.StringArrayVar(&f.compose, "compose", nil, "a Compose `file`; names are then those of its services; may be repeated")
	flags.StringVar(&f.project, "project", "", "the Compose project's `name`")
	flags.StringSliceVar(&f.profiles, "profile", nil, "a Compose `profile` that is on; may be repeated")
	flags.StringSliceVar(&f.accept, "accept", nil, "go on in spite of what stops the plan: its `word`, as the plan gives it")
	_ = c.MarkFlagFilename("compose", "yaml", "yml") // the flag is there
	c.RunE = func(c *cobra.Command, names []string) error { return runAdopt(c.Context(), to, f, names) }
	return c
}

func runAdopt(ctx context.Context, to term.IO, f adoptFlags, names []string) error {
	if err := f.valid(names); err != nil {
		return usage(err)
	}
	switch {
	case f.undo:
		return settle(ctx, to, true)
	case f.check:
		return check(ctx, to, names, f.asJSON)
	}
	a, done, err := open(ctx, to)
	if err != nil {
		return err
	}
	defer done()
	req := adopt.Request{Names: names, All: f.all, Secrets: f.secrets, Accept: f.accept, KeepOld: f.keepOld}
	if len(f.compose) > 0 {
		req.Compose = compose.Options{Files: f.compose, Project: f.project, Profiles: f.profiles, Env: os.Environ()}
	}
	plan, err := patiently(to, "looking at the containers", func() (adopt.Plan, error) { return a.Plan(ctx, req) })
	if err != nil {
		return err
	}
	if !f.apply || f.dryRun {
		return show(to, plan, f)
	}
	return apply(ctx, to, a, plan, f)
}

// valid says what does not go together.
func (f adoptFlags) valid(names []string) error {
	switch {
	case f.check && (f.apply || f.undo || len(f.compose) > 0), f.undo && (f.apply || len(names) > 0 || len(f.compose) > 0):
		return errors.New("--check and --undo stand alone")
	case f.all && len(names) > 0:
		return errors.New("either --all, or names")
	case f.project != "" && len(f.compose) == 0, len(f.profiles) > 0 && len(f.compose) == 0:
		return errors.New("--project and --profile go with --compose")
	case f.apply && !f.dryRun && !f.all && len(names) == 0 && len(f.compose) == 0:
		return errors.New("--apply needs to know which: name the containers, or say --all")
	}
	return nil
}

// patiently says what takes long, if it does.
func patiently[T any](to term.IO, doing string, f func() (T, error)) (T, error) {
	timer := time.AfterFunc(time.Second, func() { fmt.Fprintf(to.Err, "%s …\n", doing) })
	defer timer.Stop()
	return f()
}

func show(to term.IO, plan adopt.Plan, f adoptFlags) error {
	var err error
	switch {
	case f.asJSON:
		err = printJSON(to.Out, planJSON(plan, nil))
	case f.diff:
		err = printDiff(to.Out, plan)
	default:
		err = printPlan(to.Out, plan, f)
	}
	if err == nil && len(plan.Stops()) > 0 {
		return term.Exit{Code: term.ExitDegraded}
	}
	return err
}

func apply(ctx context.Context, to term.IO, a *adopt.Adopter, plan adopt.Plan, f adoptFlags) error {
	if stops := plan.Stops(); len(stops) > 0 {
		if f.asJSON {
			_ = printJSON(to.Out, planJSON(plan, nil))
		} else {
			_ = printPlan(to.Out, plan, f)
		}
		return term.Exit{Code: term.ExitDegraded, Err: errors.New("nothing was changed, for what is marked with ! above")}
	}
	result, err := a.Apply(ctx, plan)
	if f.asJSON {
		if jerr := printJSON(to.Out, planJSON(plan, &result)); jerr != nil {
			return errors.Join(err, jerr)
		}
		return err
	}
	if err != nil {
		return err
	}
	return printResult(to.Out, plan, result)
}

// planOut is the JSON of a plan, and of what became of it.
type planOut struct {
	Version int `json:"version"`
	adopt.Plan
	Changed bool           `json:"changed"`
	Stops   []quadlet.Note `json:"stops"`
	Result  *adopt.Result  `json:"result,omitempty"`
	// AwayMS is how long each did not answer.
	AwayMS map[string]int64 `json:"away_ms,omitempty"`
}

func planJSON(p adopt.Plan, r *adopt.Result) planOut {
	p.Files = slices.Clone(p.Files)
	for i := range p.Files {
		p.Files[i].Content, p.Files[i].Old = quadlet.Masked(p.Files[i].Content), quadlet.Masked(p.Files[i].Old)
	}
	out := planOut{Version: planVersion, Plan: p, Changed: p.Changed(), Stops: p.Stops(), Result: r}
	if r != nil {
		out.AwayMS = map[string]int64{}
		for name, d := range r.Away {
			out.AwayMS[name] = d.Milliseconds()
		}
	}
	return out
}

// check explains the unit files on disk, without Podman's service.
func check(ctx context.Context, to term.IO, names []string, asJSON bool) error {
	a, done, err := openUnits(ctx, to)
	if err != nil {
		return err
	}
	defer done()
	// What counts is what reads the files. Where it does not say, nothing is said
	// of keys that came later.
	version, _ := a.GeneratorVersion(ctx)
	list, err := a.Explain(ctx, names, version)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(to.Out, struct {
			Version int               `json:"version"`
			Files   []adopt.Explained `json:"files"`
			// Dropins says that this host's Quadlet reads drop-ins.
			Dropins bool `json:"dropins"`
		}{1, list, version != (quadlet.Version{}) && quadlet.Dropins(quadlet.Host{Podman: version})})
	} else {
		err = printExplained(to, list)
	}
	for _, e := range list {
		if err == nil && !e.Loaded {
			return term.Exit{Code: term.ExitDegraded}
		}
	}
	return err
}
