package accept

import (
	"errors"
	"fmt"
	"strings"

	"github.com/homing-hooks/homing/pkg/schema"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrSchema says that data do not satisfy the schema of their event type. It is an ErrInvalid.
var ErrSchema = fmt.Errorf("%w: the data do not satisfy the schema of their type", ErrInvalid)

// schemaError is one violation. It names the place in the data and never repeats what is there.
type schemaError struct{ InvalidError }

// Unwrap makes the error an ErrSchema, and so an ErrInvalid; the *InvalidError is in the chain for those who name
// fields.
func (e *schemaError) Unwrap() []error { return []error{ErrSchema, &e.InvalidError} }

// heldTo is a schema with what becomes of data that do not satisfy it.
type heldTo struct {
	schema *schema.Schema
	policy webhook.SchemaPolicy
}

// compileSchemas compiles the schemas of a tenant, once for each version of its configuration; nil when there are none.
func compileSchemas(list []store.EventSchema, onBad func(eventType string, err error)) map[string]heldTo {
	if len(list) == 0 {
		return nil
	}
	compiled := make(map[string]heldTo, len(list))
	for _, s := range list {
		c, err := schema.Compile(s.Schema)
		if err != nil {
			onBad(s.Type, err)
			continue
		}
		compiled[s.Type] = heldTo{c, s.Policy}
	}
	return compiled
}

// holdToSchemas holds the events named by pending to the schemas of their types, and marks those that are kept all
// the same. Errors: ErrSchema.
func (a *Accepter) holdToSchemas(events []webhook.Event, pending []int, subs *subscriptions) error {
	var errs []error
	for _, at := range pending {
		e := &events[at]
		e.SchemaError = "" // an earlier version of the configuration may have marked it
		if subs.schemas == nil {
			continue
		}
		held, ok := subs.schemas[e.Type]
		if !ok {
			continue
		}
		violations := held.schema.Validate(e.Data)
		if len(violations) == 0 {
			continue
		}
		a.cfg.Metrics.violations.WithLabelValues(string(held.policy)).Inc()
		if held.policy == webhook.SchemaFlag {
			e.SchemaError = inOneLine(violations)
			continue
		}
		for _, v := range violations {
			if len(errs) < maxFaultsNamed {
				errs = append(errs, &schemaError{InvalidError{Index: at, Attribute: "data" + v.Path, Problem: v.Rule}})
			}
		}
	}
	return errors.Join(errs...)
}

// inOneLine writes violations as an event keeps them.
func inOneLine(violations []schema.Violation) string {
	texts := make([]string, len(violations))
	for i, v := range violations {
		texts[i] = v.String()
	}
	return storable(strings.Join(texts, "; "))
}
