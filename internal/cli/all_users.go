package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keeper/internal/everyone"
	"keeper/internal/term"
)

// everyoneVersion is the version of the JSON of --all-users.
const everyoneVersion = 1

// allUsers is keeper status --all-users, or keeper doctor --all-users.
type allUsers struct {
	to             term.IO
	doctor, asJSON bool
	uid            int
	trusted        func() error
	accounts       func(context.Context) ([]everyone.Account, error)
	ask            func(ctx context.Context, list []everyone.Account, told func(int)) []everyone.Answer
}

func newAllUsers(to term.IO, doctor, asJSON bool) allUsers {
	host := everyone.Host{Linger: "/var/lib/systemd/linger", CGroups: "/sys/fs/cgroup"}
	return allUsers{to: to, doctor: doctor, asJSON: asJSON, uid: getuid(), trusted: everyone.Trusted, accounts: host.Accounts,
		ask: func(ctx context.Context, list []everyone.Account, told func(int)) []everyone.Answer {
			return everyone.Asker{Host: host, Doctor: doctor, Told: told}.All(ctx, list)
		}}
}

func (u allUsers) name() string {
	if u.doctor {
		return "keeper doctor"
	}
	return "keeper status"
}

func (u allUsers) run(ctx context.Context) error {
	if u.uid != 0 {
		return term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("%s --all-users asks each account as that account, and only root may; your own: %[1]s", u.name())}
	}
	if err := u.trusted(); err != nil {
		return term.Exit{Code: term.ExitUsage, Err: err}
	}
	list, err := u.accounts(ctx)
	if err != nil {
		return err
	}
	patience := time.AfterFunc(time.Second, func() { fmt.Fprintf(u.to.Err, "asking %d accounts …\n", len(list)) })
	defer patience.Stop()
	said := time.Now()
	answers := u.ask(ctx, list, func(done int) {
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			fmt.Fprintf(u.to.Err, "asked %d of %d …\n", done, len(list))
		}
	})
	patience.Stop()
	if ctx.Err() != nil {
		return errors.New("interrupted before all accounts had answered")
	}
	if u.asJSON {
		enc := json.NewEncoder(u.to.Out)
		enc.SetIndent("", "  ")
		err = enc.Encode(struct {
			Version  int               `json:"version"`
			At       time.Time         `json:"at"`
			Accounts []everyone.Answer `json:"accounts"`
		}{everyoneVersion, time.Now(), answers})
	} else {
		_, err = io.WriteString(u.to.Out, renderer{paint: term.Colours(u.to.Out)}.everyone(answers, u.doctor))
	}
	if err != nil {
		return err
	}
	if code := worst(answers, u.doctor); code != term.ExitOK {
		return term.Exit{Code: code}
	}
	return nil
}

// worst is the exit code: that one could not be asked is worse than that one's daemon
// does not answer, and that worse than that something is to be mended.
func worst(list []everyone.Answer, doctor bool) int {
	badness := map[int]int{term.ExitOK: 0, term.ExitDegraded: 1, term.ExitUnreachable: 2, term.ExitError: 3}
	all := term.ExitOK
	for _, a := range list {
		code := term.ExitOK
		switch {
		case a.State == everyone.Unknown:
			code = term.ExitError
		case doctor && len(a.Findings) > 0:
			code = term.ExitDegraded
		case doctor:
		case a.State == everyone.Silent:
			code = term.ExitUnreachable
		case a.State == everyone.Ill, a.State == everyone.StoodDown:
			code = term.ExitDegraded
		}
		if badness[code] > badness[all] {
			all = code
		}
	}
	return all
}

// everyone is a line for each account, and below what is wrong.
func (r renderer) everyone(list []everyone.Answer, doctor bool) string {
	if len(list) == 0 {
		return "Nobody lingers on this host, and no user manager runs keeper.\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "USER\tUID\tSTATE\tSERVICES\tLINGER\tDAEMON\tWHAT")
	for _, a := range list {
		uid, services, linger, daemon := fmt.Sprint(a.UID), "-", "off", "-"
		if a.UID == 0 {
			uid = "-" // nobody knows it
		}
		if a.Services > 0 {
			services = fmt.Sprintf("%d/%d", a.ServicesWell, a.Services)
		}
		if a.Lingers {
			linger = "on"
		}
		if a.Daemon != "" {
			daemon = a.Daemon
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.User, uid, a.State, services, linger, daemon, first(a, doctor))
	}
	_ = w.Flush() // into memory
	for _, a := range list {
		if a.Error == "" && len(a.Problems)+len(a.Findings) == 0 || doctor && a.Error == "" && len(a.Findings) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", a.User)
		if a.Error != "" {
			fmt.Fprintf(&b, "  %s %s\n", r.bad("!"), a.Error)
		}
		if !doctor {
			r.problems(&b, a.Problems)
		}
		for _, f := range a.Findings {
			fmt.Fprintf(&b, "  %s  %s\n", r.severity(f.Severity), f.What)
			if f.Means != "" {
				fmt.Fprintf(&b, "        %s\n", f.Means)
			}
			if f.Fix != "" {
				fmt.Fprintf(&b, "        type: %s\n", f.Fix)
			}
		}
	}
	if strings.Contains(b.String(), "\n    ") {
		b.WriteString("\nWhat to type is for that account to type (runuser -l USER), if it does not say \"as root\"; look at it first, for it is the account that says so.\n")
	}
	return b.String()
}

// first is what there is to say of the account in its line.
func first(a everyone.Answer, doctor bool) string {
	s := ""
	switch {
	case a.Error != "":
		s = a.Error
	case doctor && len(a.Findings) == 1:
		s = "1 thing to mend"
	case doctor && len(a.Findings) > 0:
		s = fmt.Sprintf("%d things to mend", len(a.Findings))
	case doctor && a.Examined:
		s = "nothing to mend"
	case !doctor && len(a.Problems) > 0:
		s = a.Problems[0].What
	}
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most-1]) + "…"
	}
	return s
}

// asAccountCommand is what root's keeper starts itself with, to become an account.
func asAccountCommand() *cobra.Command {
	return &cobra.Command{
		Use:                everyone.ChildCommand + " UID GID GROUP,GROUP,… -- COMMAND",
		Short:              "Become an account, for --all-users",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE:               func(_ *cobra.Command, args []string) error { return everyone.Become(args) },
	}
}
