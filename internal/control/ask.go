package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// What the daemon may say to a person's word about a service. Server.Restart
// and Server.Resume return errors that wrap one of them; Restart and Resume of
// the client return the same.
var (
	// ErrNoService: there is no service of that name.
	ErrNoService = errors.New("there is no such service")
	// ErrRefused: keeper does not do that now.
	ErrRefused = errors.New("keeper does not do that now")
)

// answer is the body of every answer to a person's word. Without an error it
// is done, or begun.
type answer struct {
	Error string `json:"error,omitempty"`
}

// maxBody bounds the body of a request, of which nothing is read but its end.
const maxBody = 1 << 10

// about is the handler for a person's word about a service.
func (s Server) about(do func(ctx context.Context, unit string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// What is too long, or never comes to its end, must not bind the daemon; the
		// server has a deadline for reading.
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			code := http.StatusBadRequest
			if big := new(http.MaxBytesError); errors.As(err, &big) {
				code = http.StatusRequestEntityTooLarge
			}
			reply(w, code, "the request has a body, and needs none: "+err.Error())
			return
		}
		unit, ok := unitName(r.PathValue("name"))
		if !ok {
			reply(w, http.StatusNotFound, ErrNoService.Error())
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
		defer cancel()
		switch err := do(ctx, unit); {
		case err == nil:
			reply(w, http.StatusOK, "")
		case errors.Is(err, ErrNoService):
			reply(w, http.StatusNotFound, err.Error())
		case errors.Is(err, ErrRefused):
			reply(w, http.StatusConflict, err.Error())
		default:
			reply(w, http.StatusServiceUnavailable, err.Error())
		}
	}
}

func reply(w http.ResponseWriter, code int, wrong string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer{Error: wrong}) // the client is gone if this fails
}

// unitName makes the name of a unit of a service's (systemd.unit(5)).
func unitName(name string) (string, bool) {
	if !strings.HasSuffix(name, ".service") {
		name += ".service"
	}
	const valid = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"
	return name, len(name) <= 255 && name != ".service" && strings.Trim(name, valid) == ""
}
