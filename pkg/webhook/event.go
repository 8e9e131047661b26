package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Event is a CloudEvent (CloudEvents 1.0.2) as accepted. Its identity is (Tenant, Source, CEID); ID is Homing's own.
type Event struct {
	ID         ID
	Tenant     string
	Source     string         // ce source
	CEID       string         // ce id
	Type       string         // ce type
	Subject    string         // ce subject; "" when absent
	Time       time.Time      // ce time; zero when absent
	DataType   string         // ce datacontenttype; "" when absent
	DataSchema string         // ce dataschema; "" when absent
	Extensions map[string]any // ce extensions: string, bool or int32; nil when none
	Data       []byte         // the payload's own bytes, sent as they came
	// Trace is the W3C trace context of the producer, so that retries a day later belong to the same trace.
	Trace Trace
	// Origin is the event that this one was copied from by a replay; zero for an event that was accepted.
	Origin ID
	// AcceptedAt is when the store committed the event.
	AcceptedAt time.Time
	// SchemaError says where the data do not satisfy the schema of their type, when they are kept all the same
	// ([SchemaFlag]); "" when they do, or when nobody asked.
	SchemaError string
	// ErasedAt is since when the payload is gone: then Data is nil, and nothing may be sent. Zero: it is there.
	ErasedAt time.Time
}

// SchemaPolicy says what becomes of data that do not satisfy the schema of their event type.
type SchemaPolicy string

// The policies.
const (
	SchemaOff    SchemaPolicy = "off"    // nobody looks
	SchemaFlag   SchemaPolicy = "flag"   // the event is kept, with a mark
	SchemaReject SchemaPolicy = "reject" // it is not accepted
)

// Valid reports whether p is one of the policies.
func (p SchemaPolicy) Valid() bool { return p == SchemaOff || p == SchemaFlag || p == SchemaReject }

// Trace is a W3C trace context (https://www.w3.org/TR/trace-context/), empty when there is none.
type Trace struct{ Parent, State string }

// OriginID returns the id that receivers know the event by: that of the event first accepted, also after replays.
func (e *Event) OriginID() ID {
	if e.Origin.IsZero() {
		return e.ID
	}
	return e.Origin
}

// Key is the 16-byte hash of an event's identity, by which duplicates are found.
type Key [16]byte

// IdentityKey hashes (tenant, source, id), each prefixed by its length, so that no two identities share a preimage:
// the first 16 bytes of SHA-256.
func IdentityKey(tenant, source, id string) Key {
	h := sha256.New()
	var length [8]byte
	for _, part := range [3]string{tenant, source, id} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	var sum [sha256.Size]byte
	var key Key
	copy(key[:], h.Sum(sum[:0]))
	return key
}

// MessageID returns the `webhook-id` of an event for an endpoint (Standard Webhooks 1.0.0, "webhook-id"): the same for
// every attempt and every replay, so that a receiver can deduplicate, and different for every endpoint. It has no ".",
// which would make the signed content ambiguous.
func MessageID(origin, endpoint ID) string {
	b := make([]byte, 0, 4+36+1+36)
	b = append(b, "msg_"...)
	b = origin.AppendText36(b)
	b = append(b, '_')
	b = endpoint.AppendText36(b)
	return string(b)
}
