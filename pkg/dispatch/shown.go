package dispatch

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Redacted stands for the value of a header that is not shown: it is secret, or it is not known any more.
const Redacted = "(redacted)"

// Headers returns the headers that an attempt was sent with, as far as they follow from what is stored. Signatures, the
// values of the endpoint's own headers, and the version in the user agent are redacted; headers of the trace are left
// out, for whether they were sent depends on the sampling. Secrets are not needed. With a nil Endpoint, whose format
// and headers are not known any more, only those are returned that do not depend on it; EndpointID is then needed.
func (r *Request) Headers() (http.Header, error) {
	n := 16 + len(r.Event.Extensions)
	w := headerWriter{header: make(http.Header, n), values: make([]string, 0, n)}
	id := r.EndpointID
	if e := r.Endpoint; e != nil {
		id = e.ID
		w.set(keyUserAgent, userAgentName+Redacted)
		for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
			w.set(http.CanonicalHeaderKey(name), Redacted)
		}
		p, err := encode(r.Event, e.Format)
		if err != nil {
			return nil, err
		}
		if p.contentType != "" {
			w.set(keyContentType, p.contentType)
		}
		if p.binary {
			if err := w.setEvent(r.Event); err != nil {
				return nil, err
			}
		}
	}
	w.set(keyID, webhook.MessageID(r.Event.OriginID(), id))
	w.set(keyTimestamp, signature.Timestamp(r.Now))
	w.set(keySignature, Redacted)
	w.set(keyAttempt, strconv.Itoa(r.Attempt))
	if r.Replay {
		w.set(keyReplay, r.Delivery.String())
	}
	return w.header, nil
}
