package core

import (
	"encoding/json"
	"fmt"
	"time"
)

// What has a time that people set is encoded with that as Span has it.
type (
	plainAlerts    Alerts
	plainChannel   Channel
	plainHeartbeat Heartbeat

	alertsJSON struct {
		plainAlerts
		Hold   string `json:"hold,omitempty"`
		Remind string `json:"remind,omitempty"`
	}
	channelJSON struct {
		plainChannel
		Timeout string `json:"timeout,omitempty"`
	}
	heartbeatJSON struct {
		plainHeartbeat
		Every string `json:"every,omitempty"`
	}
)

func spanText(d time.Duration) string {
	switch {
	case d < 0:
		return Never
	case d == 0:
		return ""
	}
	return Span(d)
}

func parseSpan(key, text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case Never:
		return -1, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", key, err)
	}
	return d, nil
}

// MarshalJSON writes times as Span has them, and a negative Remind as "never".
func (a Alerts) MarshalJSON() ([]byte, error) {
	return json.Marshal(alertsJSON{plainAlerts(a), spanText(a.Hold), spanText(a.Remind)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Alerts) UnmarshalJSON(data []byte) error {
	var j alertsJSON
	err := json.Unmarshal(data, &j)
	*a = Alerts(j.plainAlerts)
	if err == nil {
		a.Hold, err = parseSpan("hold", j.Hold)
	}
	if err == nil {
		a.Remind, err = parseSpan("remind", j.Remind)
	}
	return err
}

// MarshalJSON writes times as Span has them.
func (c Channel) MarshalJSON() ([]byte, error) {
	return json.Marshal(channelJSON{plainChannel(c), spanText(c.Timeout)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Channel) UnmarshalJSON(data []byte) error {
	var j channelJSON
	err := json.Unmarshal(data, &j)
	*c = Channel(j.plainChannel)
	if err == nil {
		c.Timeout, err = parseSpan("timeout", j.Timeout)
	}
	return err
}

// MarshalJSON writes times as Span has them.
func (h Heartbeat) MarshalJSON() ([]byte, error) {
	return json.Marshal(heartbeatJSON{plainHeartbeat(h), spanText(h.Every)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Heartbeat) UnmarshalJSON(data []byte) error {
	var j heartbeatJSON
	err := json.Unmarshal(data, &j)
	*h = Heartbeat(j.plainHeartbeat)
	if err == nil {
		h.Every, err = parseSpan("every", j.Every)
	}
	return err
}
