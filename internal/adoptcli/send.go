package adoptcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/spf13/cobra"

	"keeper/internal/alert"
	"keeper/internal/term"
)

// maxRequest bounds what is read of a message.
const maxRequest = 1 << 20

// sendCommand sends one message by the shoutrrr library, which is too large for the
// daemon. The address is a secret: it comes on standard input.
func sendCommand(to term.IO) *cobra.Command {
	return &cobra.Command{
		Use:    "send",
		Short:  "Send one message (the daemon does this)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			data, err := io.ReadAll(io.LimitReader(os.Stdin, maxRequest))
			if err != nil {
				return err
			}
			var r alert.ShoutRequest
			if err := json.Unmarshal(data, &r); err != nil {
				return usage(fmt.Errorf("the request is none: %w", err))
			}
			return json.NewEncoder(to.Out).Encode(shout(r))
		},
	}
}

func shout(r alert.ShoutRequest) alert.ShoutAnswer {
	sender, err := shoutrrr.CreateSenderWithOptions(types.SenderOptions{}, r.URL)
	if err != nil {
		return alert.ShoutAnswer{Err: err.Error(), Wrong: true}
	}
	if err := errors.Join(sender.Send(r.Text, &types.Params{"title": r.Title})...); err != nil {
		return alert.ShoutAnswer{Err: err.Error()}
	}
	return alert.ShoutAnswer{OK: true}
}
