package filter

import (
	"time"

	cesql "github.com/cloudevents/sdk-go/sql/v2"
	"github.com/cloudevents/sdk-go/sql/v2/utils"
	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// view shows a webhook.Event to expressions as a CloudEvents context. It is read in place: the SDK's own context
// would rewrite the source as it parses it into a URL, and copy the extensions for each attribute asked for.
// Expressions ask for attributes only; everything else comes from the embedded context, which is empty.
type view struct {
	event.EventContext
	of *webhook.Event
}

var empty = &event.EventContextV1{}

func newView(e *webhook.Event) event.Event {
	return event.Event{Context: view{EventContext: empty, of: e}}
}

// GetSpecVersion implements event.EventContextReader.
func (v view) GetSpecVersion() string { return event.CloudEventsVersionV1 }

// GetID implements event.EventContextReader.
func (v view) GetID() string { return v.of.CEID }

// GetSource implements event.EventContextReader.
func (v view) GetSource() string { return v.of.Source }

// GetType implements event.EventContextReader.
func (v view) GetType() string { return v.of.Type }

// GetSubject implements event.EventContextReader.
func (v view) GetSubject() string { return v.of.Subject }

// GetTime implements event.EventContextReader.
func (v view) GetTime() time.Time { return v.of.Time }

// GetDataContentType implements event.EventContextReader.
func (v view) GetDataContentType() string { return v.of.DataType }

// GetDataSchema implements event.EventContextReader.
func (v view) GetDataSchema() string { return v.of.DataSchema }

// GetExtensions implements event.EventContextReader. It gives the event's own map, which expressions only read.
func (v view) GetExtensions() map[string]any { return v.of.Extensions }

// evaluate reports whether an expression holds for an event; the kind is "" when it could be evaluated.
func evaluate(expr cesql.Expression, e event.Event) (holds bool, kind Kind) {
	defer func() {
		if recover() != nil { // SUBSTRING with a negative length, for one
			holds, kind = false, KindInternal
		}
	}()
	value, err := expr.Evaluate(e)
	if err == nil {
		value, err = utils.Cast(value, cesql.BooleanType)
	}
	if err != nil {
		return false, kindOf(err)
	}
	return value.(bool), ""
}
