package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"keeper/internal/control"
	"keeper/internal/everyone"
	"keeper/internal/term"
)

var (
	wellAnswer    = everyone.Answer{User: "alice", UID: 1000, Lingers: true, State: everyone.Well, Services: 4, ServicesWell: 4, Daemon: "1.2"}
	illAnswer     = everyone.Answer{User: "bob", UID: 1001, State: everyone.Ill, Services: 2, ServicesWell: 1, Daemon: "1.2", Problems: []control.Problem{{What: "db is down", Try: "keeper restart db"}}}
	silentAnswer  = everyone.Answer{User: "carol", UID: 1002, Lingers: true, State: everyone.Silent, Problems: []control.Problem{{What: "the daemon does not answer"}}}
	notKeptAnswer = everyone.Answer{User: "dave", UID: 1003, Lingers: true, State: everyone.NotKept}
	unknownAnswer = everyone.Answer{User: "eve", Lingers: true, State: everyone.Unknown, Error: "it did not answer within 10s"}
	sickAnswer    = everyone.Answer{User: "frank", UID: 1005, Lingers: true, State: everyone.Well, Examined: true,
		Findings: []everyone.Finding{{ID: "linger", Severity: "bad", What: "linger is off", Means: "it ends", Fix: "loginctl enable-linger frank"}}}
	soundAnswer = everyone.Answer{User: "grace", UID: 1006, Lingers: true, State: everyone.Ill, Examined: true, Problems: []control.Problem{{What: "web is slow"}}}
)

func TestAllUsers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers        []everyone.Answer
		doctor, asJSON bool
		uid            int
		trusted, err   error
		code           int
		out, errs      string
	}{
		"nobody":     {out: "Nobody lingers on this host, and no user manager runs keeper.\n"},
		"not root":   {uid: 1000, code: 2, errs: "only root may; your own: keeper status"},
		"not trusty": {trusted: errors.New("can be written by others"), code: 2, errs: "can be written by others"},
		"no names":   {err: errors.New("cannot look accounts up"), code: 1, errs: "cannot look accounts up"},
		"all well":   {answers: []everyone.Answer{wellAnswer, notKeptAnswer}, out: "USER   UID   STATE     SERVICES  LINGER  DAEMON  WHAT\nalice  1000  well      4/4       on      1.2     \ndave   1003  not kept  -         on      -       \n"},
		"ill":        {answers: []everyone.Answer{wellAnswer, illAnswer}, code: 3, out: "bob    1001  ill    1/2       off     1.2     db is down\n\nbob\n  ! db is down\n    type: keeper restart db\n\nWhat to type is for that account"},
		"silent":     {answers: []everyone.Answer{illAnswer, silentAnswer, wellAnswer}, code: 4, out: "\ncarol\n  ! the daemon does not answer\n"},
		"unknown":    {answers: []everyone.Answer{unknownAnswer, silentAnswer}, code: 1, out: "eve    -     unknown    -         on      -       it did not answer within 10s\n"},
		"doctor":     {answers: []everyone.Answer{sickAnswer, soundAnswer}, doctor: true, code: 3, out: "1 thing to mend\ngrace  1006  ill    -         on      -       nothing to mend\n\nfrank\n  bad   linger is off\n        it ends\n        type: loginctl enable-linger frank\n"},
		"sound":      {answers: []everyone.Answer{soundAnswer}, doctor: true},
		"programs":   {answers: []everyone.Answer{illAnswer, unknownAnswer}, asJSON: true, code: 1, out: `"state": "ill"`},
		"no account": {asJSON: true, out: `"accounts": []`},
	} {
		var out, errs bytes.Buffer
		to := term.IO{Out: &out, Err: &errs}
		u := allUsers{to: to, doctor: tt.doctor, asJSON: tt.asJSON, uid: tt.uid,
			trusted: func() error { return tt.trusted },
			accounts: func(context.Context) ([]everyone.Account, error) {
				return make([]everyone.Account, len(tt.answers)), tt.err
			},
			ask: func(context.Context, []everyone.Account, func(int)) []everyone.Answer {
				return append([]everyone.Answer{}, tt.answers...)
			}}
		if code := term.Code(u.run(t.Context()), "keeper", to); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", name, code, tt.code)
		}
		if !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.errs) || tt.errs != "" && out.Len() > 0 {
			t.Errorf("%s:\n%s%s\nwant\n%s%s", name, out.String(), errs.String(), tt.out, tt.errs)
		}
		var v struct {
			Version  int
			Accounts []everyone.Answer
		}
		if tt.asJSON && (json.Unmarshal(out.Bytes(), &v) != nil || v.Version != 1 || len(v.Accounts) != len(tt.answers)) {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}
