package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Note is what is written together with a change, in its transaction, so that neither is ever there without the other.
// It comes with the context, for it is about the request and not about what is changed: every operation of [Directory]
// and [Browser] that changes something writes it, and none of them looks into it.
type Note struct {
	// Audit says who changed what; nil for none.
	Audit *AuditEntry
	// Once is the answer to give when the request comes again; nil for none. When there is one already with its owner and
	// key, the operation fails with ErrConflict and changes nothing.
	Once *Once
}

// AuditEntry is one line of the audit log. It never holds a secret.
type AuditEntry struct {
	ID webhook.ID
	// Tenant is whose thing was changed; "" for what is no tenant's.
	Tenant string
	// At is the store's to set.
	At time.Time
	// Actor is the API key that asked for it, ActorName the name of that key.
	Actor     webhook.ID
	ActorName string
	// Action is a kind of thing and what was done to it: "endpoint.update". Target is its id.
	Action, Target string
	// Before and After are the thing as the API shows it, as JSON; nil where there was, or is, none.
	Before, After json.RawMessage
}

// Once is an answer that was given to a request.
type Once struct {
	// Owner is the API key, Key what its Idempotency-Key said.
	Owner webhook.ID
	Key   string
	// Tenant is whose things the request was about; "" for none in particular. The answer goes with the tenant.
	Tenant string
	// Request is the SHA-256 of what was asked.
	Request [32]byte
	// Response is the answer. The store seals it, for it may hold what is shown only once.
	Response []byte
}

// OnceKept is how long an answer is kept.
const OnceKept = 24 * time.Hour

type noteKey struct{}

// WithNote returns a context whose changes write a note.
func WithNote(ctx context.Context, n Note) context.Context {
	return context.WithValue(ctx, noteKey{}, &n)
}

// NoteOf returns the note that a change must write; an empty one when there is none.
func NoteOf(ctx context.Context) Note {
	if n, ok := ctx.Value(noteKey{}).(*Note); ok {
		return *n
	}
	return Note{}
}
