package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// watchGap is the least time between two statuses to the same watcher.
	watchGap = 250 * time.Millisecond
	// watchWrite is how long one status may take to be read. Who is slower, or
	// was stopped, loses the connection: nothing is kept for him.
	watchWrite = 5 * time.Second
	// statusLimit is how long the main loop has to answer.
	statusLimit = 3 * time.Second
)

// watch answers with the status, and again whenever that changes, each time as
// one line of JSON.
func (s Server) watch(w http.ResponseWriter, r *http.Request) {
	told, stop, ok := s.Changes.Watch()
	if !ok {
		http.Error(w, fmt.Sprintf("%d others follow the state already, and more may not; try again later, or: keeper status", mostWatchers), http.StatusTooManyRequests)
		return
	}
	defer stop()
	conn := http.NewResponseController(w)
	// The limits of the server are for short answers. Its background read, which
	// notices that the client is gone, would end with the first of them.
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	gap := time.NewTimer(0)
	defer gap.Stop()
	var last []byte
	for {
		// At first this is over at once. Later it gathers what happens meanwhile.
		select {
		case <-r.Context().Done():
			return
		case <-gap.C:
		}
		line, changed, err := s.line(r.Context(), &last)
		if err != nil {
			if last == nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
			return // the end of the answer says it to who is in the midst of it
		}
		if changed && !send(w, conn, line) {
			return
		}
		gap.Reset(watchGap)
		select {
		case <-r.Context().Done():
			return
		case <-told:
		}
	}
}

// line returns the status as a line, and whether it differs from the last one in
// more than its time.
func (s Server) line(ctx context.Context, last *[]byte) (line []byte, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, statusLimit)
	defer cancel()
	st, err := s.Status(ctx)
	if err != nil {
		return nil, false, err
	}
	line, err = json.Marshal(st)
	if err != nil {
		return nil, false, err
	}
	st.At = time.Time{}
	same, err := json.Marshal(st)
	if err != nil {
		return nil, false, err
	}
	if bytes.Equal(same, *last) {
		return nil, false, nil
	}
	*last = same
	return append(line, '\n'), true, nil
}

// send writes one line, all of it or nothing more at all.
func send(w http.ResponseWriter, conn *http.ResponseController, line []byte) bool {
	if conn.SetWriteDeadline(time.Now().Add(watchWrite)) != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	if _, err := w.Write(line); err != nil {
		return false
	}
	return conn.Flush() == nil
}
