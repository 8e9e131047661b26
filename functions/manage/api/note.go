package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// audited is a change as the audit log has it. before and after are what the API shows of the thing, without secrets;
// nil where there was, or is, none.
type audited struct {
	action, target string
	before, after  any
}

// noted returns a context whose change is written with its line of the audit log.
func (a *API) noted(ctx context.Context, change audited) (context.Context, error) {
	entry, err := a.entry(ctx, change)
	if err != nil {
		return nil, err
	}
	return store.WithNote(ctx, store.Note{Audit: entry}), nil
}

func (a *API) entry(ctx context.Context, change audited) (*store.AuditEntry, error) {
	c := callerOf(ctx)
	entry := &store.AuditEntry{
		ID: a.ids.New(a.cfg.Now()), Tenant: c.tenant, Actor: c.key.ID, ActorName: c.key.Name, Action: change.action,
		Target: change.target,
	}
	var err error
	if change.before != nil {
		entry.Before, err = json.Marshal(change.before)
	}
	if err == nil && change.after != nil {
		entry.After, err = json.Marshal(change.after)
	}
	if err != nil {
		return nil, fmt.Errorf("api: %s: %w", change.action, err)
	}
	return entry, nil
}

// Creating is the header of requests that create something.
type Creating struct {
	//nolint:lll // a tag cannot be broken
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" doc:"Any text of your own, a UUID say. The same request with it again, within 24 hours, creates nothing more and is answered with what was created the first time."`
}

// created is what a request has created: enough to answer it again.
type created struct {
	ID string `json:"id"`
	// Secret is what is shown only once, if there is something.
	Secret string `json:"secret,omitempty"`
}

// creation is a request to create something.
type creation struct {
	Creating
	// body is what the request says.
	body any
	// made is what it will have created.
	made   created
	change audited
}

// create does what a request asks for, unless its Idempotency-Key has done it before, and returns what was created, now
// or then. do gets the context to make the change with. Errors: store.ErrInvalid when the key came with another
// request, and those of do.
func (a *API) create(ctx context.Context, c creation, do func(context.Context) error) (created, error) {
	entry, err := a.entry(ctx, c.change)
	if err != nil {
		return c.made, err
	}
	note := store.Note{Audit: entry}
	if c.IdempotencyKey == "" {
		return c.made, do(store.WithNote(ctx, note))
	}
	once, err := request(callerOf(ctx), c.IdempotencyKey, c.body)
	if err != nil {
		return c.made, err
	}
	if earlier, err := a.earlier(ctx, once); !errors.Is(err, store.ErrNotFound) {
		return earlier, err
	}
	if once.Response, err = json.Marshal(c.made); err != nil { //nolint:gosec // the store seals it
		return c.made, fmt.Errorf("api: answer: %w", err)
	}
	note.Once = &once
	err = do(store.WithNote(ctx, note))
	if errors.Is(err, store.ErrConflict) {
		// Somebody may have made the same request at the same time; otherwise it is another conflict.
		if earlier, earlierErr := a.earlier(ctx, once); !errors.Is(earlierErr, store.ErrNotFound) {
			return earlier, earlierErr
		}
	}
	return c.made, err
}

// request is a request as its Idempotency-Key remembers it.
func request(c *caller, idempotencyKey string, body any) (store.Once, error) {
	text, err := json.Marshal([]any{c.method, c.path, c.tenant, body})
	if err != nil {
		return store.Once{}, fmt.Errorf("api: request: %w", err)
	}
	return store.Once{Owner: c.key.ID, Key: idempotencyKey, Tenant: c.tenant, Request: sha256.Sum256(text)}, nil
}

// earlier returns what the same request created before. Errors: store.ErrNotFound when there was none, store.ErrInvalid
// when it was another request.
func (a *API) earlier(ctx context.Context, once store.Once) (created, error) {
	got, err := a.cfg.Store.Answered(ctx, once.Owner, once.Key)
	if err != nil {
		return created{}, err
	}
	if got.Request != once.Request {
		return created{}, invalid(server.Fault{
			Field: "Idempotency-Key", Detail: "it came with another request before: use a new one for each",
		})
	}
	var made created
	if err := json.Unmarshal(got.Response, &made); err != nil {
		return created{}, fmt.Errorf("api: an earlier answer: %w", err)
	}
	return made, nil
}

// parsed is the id of something whose id is a UUID.
func (c created) parsed() webhook.ID {
	id, _ := webhook.ParseID(c.ID) // it was an id when it was made
	return id
}
