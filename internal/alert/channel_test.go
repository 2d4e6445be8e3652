package alert

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keeper/internal/core"
)

func file(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTokenFromAFile(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	c := core.Channel{Name: "ops", Kind: core.ChannelWebhook, URL: core.Secret{File: file(t, r.URL+"\n", 0o600)}, Token: core.Secret{File: file(t, "s3cret-token\n", 0o640)}}
	if _, err := send(t.Context(), c, of("a", 1), nil, nil); err != nil || r.auth != "Bearer s3cret-token" {
		t.Errorf("%v, Authorization %q", err, r.auth)
	}
	c.Token.File = file(t, "s3cret-token", 0o644)
	if _, err := send(t.Context(), c, of("a", 1), nil, nil); err == nil || !strings.Contains(err.Error(), "chmod o=") {
		t.Errorf("everybody's secret: %v", err)
	}
	c.Token = core.Secret{Credential: "../x"}
	if _, err := send(t.Context(), c, of("a", 1), nil, nil); err == nil {
		t.Error("no credential, and no error")
	}
}

// Whatever fails, no secret comes out.
func TestSecretsStayIn(t *testing.T) {
	t.Parallel()
	const token = "T0KENT0KENT0KEN"
	r := newReceiver(t)
	r.setMood(func(w http.ResponseWriter, req *http.Request) bool {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("no such hook: " + req.URL.Path + " " + req.Header.Get("Authorization")))
		return false
	})
	echo := func(_ context.Context, request []byte) ([]byte, error) {
		var q ShoutRequest
		_ = json.Unmarshal(request, &q)
		return json.Marshal(ShoutAnswer{Err: "cannot send to " + q.URL + " by " + token})
	}
	for name, tt := range map[string]struct {
		c      core.Channel
		helper Helper
	}{
		"the path of a hook":  {c: core.Channel{Kind: core.ChannelWebhook, URL: core.Secret{Plain: r.URL + "/hook/" + token}, Token: core.Secret{Plain: "other-" + token}}},
		"nobody there":        {c: core.Channel{Kind: core.ChannelWebhook, URL: core.Secret{Plain: "http://127.0.0.1:1/" + token}}},
		"no address":          {c: core.Channel{Kind: core.ChannelWebhook, URL: core.Secret{Plain: "http://[" + token}}},
		"no host":             {c: core.Channel{Kind: core.ChannelAlertmanager, URL: core.Secret{Plain: "http://user:" + token + "@127.0.0.1:1"}}},
		"a helper that talks": {c: core.Channel{Kind: core.ChannelShoutrrr, URL: core.Secret{Plain: "slack://" + token + "@channel"}}, helper: echo},
		"a helper that fails": {c: core.Channel{Kind: core.ChannelShoutrrr, URL: core.Secret{Plain: "telegram://" + token + "@telegram?chats=1"}},
			helper: func(context.Context, []byte) ([]byte, error) {
				return nil, errors.New("exit 1: telegram://" + token + "@telegram")
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := send(t.Context(), tt.c, of("a", 1), tt.helper, nil)
			if err == nil {
				t.Fatal("it was sent")
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the secret is in %q", err)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	thief := newReceiver(t)
	r := newReceiver(t)
	r.setMood(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, thief.URL, http.StatusTemporaryRedirect)
		return false
	})
	_, err := send(t.Context(), core.Channel{Kind: core.ChannelWebhook, URL: core.Secret{Plain: r.URL}, Token: core.Secret{Plain: "token"}}, of("a", 1), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "redirect") || thief.asked != 0 {
		t.Errorf("%v, and the other was asked %d times", err, thief.asked)
	}
}

func TestSlowReceiver(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	held := make(chan struct{})
	r.setMood(func(http.ResponseWriter, *http.Request) bool { <-held; return true })
	defer close(held)
	c := r.channel("ops")
	c.Timeout = 50 * time.Millisecond
	if _, err := send(t.Context(), c, of("a", 1), nil, nil); !strings.Contains(errText(err), "deadline") {
		t.Errorf("got %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAlertmanager(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := of("20260301-115900", 1)
	a.Began, a.Root = now.Add(-time.Minute), "db.service"
	var list []struct {
		Labels           map[string]string
		StartsAt, EndsAt time.Time
	}
	if err := json.Unmarshal(alertmanagerBody(a, now), &list); err != nil || len(list) != 1 {
		t.Fatal(err)
	}
	if l := list[0]; l.Labels["incident"] != a.Incident || l.Labels["severity"] != "critical" || l.Labels["root"] != "db.service" || !l.StartsAt.Equal(a.Began) || !l.EndsAt.After(now.Add(24*time.Hour)) {
		t.Errorf("open: %+v", l)
	}
	before := list[0].Labels
	a.Kind, a.Mended = core.AlertClosed, now.Add(-time.Second)
	if err := json.Unmarshal(alertmanagerBody(a, now), &list); err != nil {
		t.Fatal(err)
	}
	if l := list[0]; !l.EndsAt.Equal(a.Mended) || len(before) != len(l.Labels) {
		t.Errorf("closed: %+v", l)
	}
	if _, err := send(t.Context(), core.Channel{Kind: core.ChannelAlertmanager, URL: core.Secret{Plain: r.URL + "/"}}, a, nil, nil); err != nil {
		t.Error(err)
	}
}

// TestCommandElsewhere: what somebody else ran is not run again, whatever came of it, and
// what nobody ran is run here.
func TestCommandElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ran  bool
		err  error
		here bool
		want string
	}{
		"it ran":             {ran: true},
		"it ran, and failed": {ran: true, err: errors.New("exit status 3"), want: "exit status 3: the reason"},
		"it was not run":     {err: errors.New("the manager is frozen"), here: true},
	} {
		out := filepath.Join(t.TempDir(), "out")
		c := core.Channel{Kind: core.ChannelCommand, Command: []string{"/bin/sh", "-c", `echo here >"$0"`, out}}
		var env []string
		_, err := send(t.Context(), c, of("a", 1), nil, func(_ context.Context, _, e []string, stdin []byte) (string, bool, error) {
			env = e
			if !strings.Contains(string(stdin), `"key":"a/1"`) {
				t.Errorf("%s: it gets %s", name, stdin)
			}
			return "the reason\x1b", tt.ran, tt.err
		})
		if errText(err) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
		if _, serr := os.Stat(out); (serr == nil) != tt.here {
			t.Errorf("%s: run here: %v", name, serr)
		}
		if !slices.Contains(env, "KEEPER_INCIDENT=a") {
			t.Errorf("%s: its environment is %q", name, env)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	c := core.Channel{Kind: core.ChannelCommand, Command: []string{"/bin/sh", "-c", `printf '%s|%s|' "$KEEPER_INCIDENT" "$KEEPER_TITLE" >"$0"; cat >>"$0"`, out}}
	a := of("a", 1)
	a.Title = "db is down\nand more"
	if said, err := send(t.Context(), c, a, nil, nil); err != nil || !strings.HasPrefix(said, "exit 0") {
		t.Fatalf("%q, %v", said, err)
	}
	data, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(data), `a|db is down and more|{"version":1,"key":"a/1"`) {
		t.Errorf("it got %s, %v", data, err)
	}
	c.Command = []string{"/bin/sh", "-c", "echo the reason >&2; exit 3"}
	if _, err := send(t.Context(), c, a, nil, nil); err == nil || !strings.Contains(err.Error(), "exit status 3: the reason") {
		t.Errorf("got %v", err)
	}
	// It ends, and what it started with it.
	mark := filepath.Join(t.TempDir(), "pid")
	c.Command, c.Timeout = []string{"/bin/sh", "-c", "sleep 1000 & echo $! >" + mark + "; trap '' TERM; wait; sleep 1000"}, 200*time.Millisecond
	if _, err := send(t.Context(), c, a, nil, nil); err == nil {
		t.Error("it never ends, and that is no error")
	}
	pid, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("what it started lives on")
		}
	}
}
