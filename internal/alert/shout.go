package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"keeper/internal/core"
)

// What the program with the library reads and prints: the address is in neither its arguments nor its environment.
type (
	// ShoutRequest is one message.
	ShoutRequest struct {
		URL   string `json:"url"`
		Title string `json:"title"`
		Text  string `json:"text"`
	}
	// ShoutAnswer is what became of it.
	ShoutAnswer struct {
		OK  bool   `json:"ok"`
		Err string `json:"error,omitempty"`
		// Wrong says that the address is none: another try is of no use.
		Wrong bool `json:"wrong,omitempty"`
	}
)

// shout has the library send.
func shout(ctx context.Context, address string, a core.Alert, helper Helper) (string, error) {
	if helper == nil {
		return "", errors.New("the program for it is not installed")
	}
	begin := time.Now()
	request, err := json.Marshal(ShoutRequest{URL: address, Title: subject(a), Text: a.Text})
	if err != nil {
		return "", err
	}
	out, err := helper(ctx, request)
	if err != nil {
		return "", err
	}
	var answer ShoutAnswer
	if err := json.Unmarshal(out, &answer); err != nil {
		return "", fmt.Errorf("cannot read what the program for it says: %w", err)
	}
	switch {
	case answer.OK:
		return fmt.Sprintf("sent in %d ms", time.Since(begin).Milliseconds()), nil
	case answer.Wrong:
		return "", refused{error: errors.New(answer.Err)}
	}
	return "", errors.New(answer.Err)
}
