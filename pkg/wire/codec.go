package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/homing-hooks/homing/pkg/webhook"
)

const (
	// Source is the CloudEvents source of every hint.
	Source = "/homing"
	// ContentType is the CloudEvents datacontenttype of every hint.
	ContentType = "application/json"
	// MaxSize is how many bytes the data of a hint may have; MaxIDs names encode to about half of it.
	MaxSize = 32 << 10
)

// Errors of Encode and Decode. None of them quotes the event.
var (
	// ErrType says that the event's type is not that of a hint; a tick is not a hint.
	ErrType = errors.New("not a hint")
	// ErrTooBig says that a hint names more than MaxIDs, or that its data is longer than MaxSize.
	ErrTooBig = errors.New("hint too big")
	// ErrMalformed says that the event has a hint's type and not its form.
	ErrMalformed = errors.New("malformed hint")
)

// Encode returns the CloudEvent of a hint: h.Type, Source, the id given, time now, and the partition as an extension.
// Errors: ErrType, ErrTooBig, ErrMalformed (a negative partition).
func Encode(h *Hint, id webhook.ID, now time.Time) (event.Event, error) {
	if !isHint(h.Type) {
		return event.Event{}, fmt.Errorf("wire: encode: %w", ErrType)
	}
	if n := len(h.Deliveries) + len(h.Endpoints); n > MaxIDs {
		return event.Event{}, fmt.Errorf("wire: encode: %d ids, at most %d: %w", n, MaxIDs, ErrTooBig)
	}
	if h.Partition < 0 {
		return event.Event{}, fmt.Errorf("wire: encode: a partition below 0: %w", ErrMalformed)
	}
	contentType := ContentType
	return event.Event{
		Context: &event.EventContextV1{
			ID:              id.String(),
			Source:          types.URIRef{URL: url.URL{Path: Source}},
			Type:            h.Type,
			DataContentType: &contentType,
			Time:            &types.Timestamp{Time: now.UTC()},
			Extensions:      map[string]any{PartitionAttribute: strconv.Itoa(h.Partition)},
		},
		DataEncoded: h.append(nil),
	}, nil
}

// Decode returns the hint that an event carries. Fields that it does not know are passed over, since the sender may be
// newer. What it returns was sent by anybody: the ids may name nothing. Errors: ErrType, ErrTooBig, ErrMalformed.
func Decode(e *event.Event) (Hint, error) {
	if e.Context == nil || !isHint(e.Type()) {
		return Hint{}, fmt.Errorf("wire: decode: %w", ErrType)
	}
	if n := len(e.DataEncoded); n > MaxSize {
		return Hint{}, fmt.Errorf("wire: decode: %d bytes, at most %d: %w", n, MaxSize, ErrTooBig)
	}
	h := Hint{Type: e.Type()}
	var err error
	if h.Partition, err = partition(e.Extensions()[PartitionAttribute]); err != nil {
		return Hint{}, fmt.Errorf("wire: decode: %w", err)
	}
	if err := json.Unmarshal(e.DataEncoded, &h); err != nil {
		// The parser's own error may quote what it read.
		return Hint{}, fmt.Errorf("wire: decode: data: %w", ErrMalformed)
	}
	if err := h.check(); err != nil {
		return Hint{}, fmt.Errorf("wire: decode: %w", err)
	}
	return h, nil
}

// PartitionOf returns the partition, of n, that the hints of an endpoint belong to: the same in every process and
// version, for the triggers filter on it. With n below 2 it is always 0.
func PartitionOf(endpoint webhook.ID, n int) int {
	if n < 2 {
		return 0
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, 64 bits
	hash := uint64(offset)
	for _, b := range endpoint {
		hash = (hash ^ uint64(b)) * prime
	}
	return int(hash % uint64(n))
}

// check reports whether a decoded hint is within its bounds.
func (h *Hint) check() error {
	if n := len(h.Deliveries) + len(h.Endpoints); n > MaxIDs {
		return fmt.Errorf("%d ids, at most %d: %w", n, MaxIDs, ErrTooBig)
	}
	for i := range h.Deliveries {
		d := &h.Deliveries[i]
		if d.Delivery.IsZero() || d.Endpoint.IsZero() || d.Attempt < 0 || !writable(d.Due) {
			return fmt.Errorf("delivery %d of the list: %w", i, ErrMalformed)
		}
	}
	for i := range h.Endpoints {
		if e := &h.Endpoints[i]; e.Endpoint.IsZero() || !writable(e.Due) {
			return fmt.Errorf("endpoint %d of the list: %w", i, ErrMalformed)
		}
	}
	return nil
}

// writable reports whether a time can be written in UTC as RFC 3339, which knows four digits of year.
func writable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 0 && year <= 9999
}

// partition reads the extension; none means 0, because only triggers need it.
func partition(extension any) (int, error) {
	switch v := extension.(type) {
	case nil:
		return 0, nil
	case int32: // a sender in structured mode may have written a number
		if v >= 0 {
			return int(v), nil
		}
	case string:
		if n, err := strconv.ParseUint(v, 10, 31); err == nil {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("the extension %s: %w", PartitionAttribute, ErrMalformed)
}

func isHint(eventType string) bool {
	switch eventType {
	case TypeDue, TypeRescheduled, TypeOverdue, TypeJobs:
		return true
	default:
		return false
	}
}

// append writes the data of a hint, the same bytes as encoding/json would, in a quarter of its time: a hint is written
// for every batch of deliveries accepted, rescheduled or overdue.
func (h *Hint) append(b []byte) []byte {
	const delivery, endpoint = 170, 90 // what an entry takes at most, nearly always
	if b == nil {
		b = make([]byte, 0, 32+delivery*len(h.Deliveries)+endpoint*len(h.Endpoints))
	}
	b = append(b, '{')
	for i := range h.Deliveries {
		d := &h.Deliveries[i]
		b = append(b, pick(i, `"deliveries":[{"id":"`, `,{"id":"`)...)
		b = d.Delivery.AppendText36(b)
		b = append(b, `","endpoint":"`...)
		b = d.Endpoint.AppendText36(b)
		b = append(b, `","attempt":`...)
		b = strconv.AppendInt(b, int64(d.Attempt), 10)
		b = appendDue(b, d.Due)
	}
	if len(h.Deliveries) > 0 {
		b = append(b, ']')
	}
	if len(h.Deliveries) > 0 && len(h.Endpoints) > 0 {
		b = append(b, ',')
	}
	for i := range h.Endpoints {
		e := &h.Endpoints[i]
		b = append(b, pick(i, `"endpoints":[{"id":"`, `,{"id":"`)...)
		b = e.Endpoint.AppendText36(b)
		b = append(b, '"')
		b = appendDue(b, e.Due)
	}
	if len(h.Endpoints) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

func pick(i int, first, next string) string {
	if i == 0 {
		return first
	}
	return next
}

func appendDue(b []byte, due time.Time) []byte {
	b = append(b, `,"due":"`...)
	b = due.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}
