package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"keeper/internal/core"
)

// webhookVersion grows when a field of the webhook changes its meaning or goes.
const webhookVersion = 1

func webhookBody(a core.Alert) []byte {
	data, _ := json.Marshal(struct {
		Version int `json:"version"`
		core.Alert
	}{webhookVersion, a})
	return data
}

// resolveAfter is when Alertmanager is to take an incident for over that it hears nothing
// more of: it lasts until keeper says so, and a week is what the queue keeps.
const resolveAfter = 7 * 24 * time.Hour

// alertmanagerBody is an alert for POST /api/v2/alerts. Of the same labels it is the same
// alert: when it is over, endsAt is in the past.
func alertmanagerBody(a core.Alert, now time.Time) []byte {
	type postable struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		StartsAt    time.Time         `json:"startsAt"`
		EndsAt      time.Time         `json:"endsAt"`
	}
	p := postable{
		Labels: map[string]string{
			"alertname": "KeeperIncident", "severity": string(a.Urgency), "incident": a.Incident, "kind": string(a.About),
			"root": a.Root, "user": a.User, "host": a.Host,
		},
		Annotations: map[string]string{"summary": a.Title, "description": a.Text},
		StartsAt:    a.Began, EndsAt: now.Add(resolveAfter),
	}
	if a.Drill != "" {
		p.Labels["drill"] = a.Drill
	}
	switch a.Kind {
	case core.AlertTest:
		p.Labels["alertname"] = "KeeperTest"
		p.EndsAt = now.Add(time.Minute)
	case core.AlertClosed:
		p.EndsAt = a.Mended
	case core.AlertOpened, core.AlertReminder:
	}
	data, _ := json.Marshal([]postable{p})
	return data
}

// client follows no redirect: a token must not go to somebody else.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// An alert a week is worth no open connection.
		DisableKeepAlives: true, TLSHandshakeTimeout: sendTimeout, ForceAttemptHTTP2: true,
	},
}

// maxRetryAfter bounds what a receiver may ask for.
const maxRetryAfter = time.Hour

// post sends JSON. The key lets the receiver see that it had it before.
func post(ctx context.Context, address, token, key string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", refused{error: errors.New("the address is none")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "keeper")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return do(req, token)
}

func do(req *http.Request, token string) (string, error) {
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	begin := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) { // it has the whole address in its text
			err = ue.Err
		}
		return "", err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	said := fmt.Sprintf("%d in %d ms", resp.StatusCode, time.Since(begin).Milliseconds())
	if resp.StatusCode/100 == 2 {
		return said, nil
	}
	err = fmt.Errorf("it answered %s: %s", resp.Status, line(string(text)))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		if s, perr := strconv.Atoi(resp.Header.Get("Retry-After")); perr == nil && s > 0 {
			return "", refused{err, min(time.Duration(s)*time.Second, maxRetryAfter)}
		}
	case resp.StatusCode/100 == 3:
		return "", refused{error: fmt.Errorf("it answered %s, and keeper follows no redirect: set the address that it leads to", resp.Status)}
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusRequestTimeout:
		return "", refused{error: err}
	}
	return "", err
}
