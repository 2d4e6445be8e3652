package metrics

import (
	"context"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Source makes a snapshot, or says why it cannot.
type Source func(ctx context.Context) (Snapshot, error)

// sourceLimit is how long a scrape may wait for the main loop.
const sourceLimit = 3 * time.Second

// Handler answers with the metrics, in the format that the client prefers.
func Handler(source Source) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), sourceLimit)
		defer cancel()
		s, err := source(ctx)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		format := preferred(r.Header.Values("Accept"))
		w.Header().Set("Content-Type", format.ContentType())
		w.Header().Set("Vary", "Accept")
		_ = Write(w, s, format) // the client is gone if this fails
	})
}

// preferred returns the format that is accepted with the higher quality (RFC
// 9110, 12.5.1). Only a client that names OpenMetrics gets it.
func preferred(accept []string) Format {
	open, plain := 0.0, 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(q >= 0 && q <= 1) {
				continue
			}
		}
		version := params["version"]
		switch {
		case media == "application/openmetrics-text" && (version == "" || version == "1.0.0" || version == "0.0.1"):
			open = max(open, q)
		case media == "text/plain" && (version == "" || version == "0.0.4"):
			plain = max(plain, q)
		}
	}
	if open > 0 && open >= plain {
		return OpenMetrics
	}
	return Plain
}
