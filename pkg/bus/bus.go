// Package bus is the seam over which hints (and, outside Kubernetes, producers' events) travel between the functions:
// memory in one process, AMQP to RabbitMQ, or CloudEvents over HTTP to a Knative broker.
//
// It owns the contract: brokers take CloudEvents, subscriptions with an exact filter on attributes hand them to
// handlers, as a Knative broker with triggers does. It promises at least once for what a durable subscription has
// accepted, and nothing for the rest: hints may be lost, repeated, late or out of order, and Homing is correct all the
// same. A back end never looks inside an event; bustest holds them all to this contract.
package bus

import (
	"context"
	"errors"

	"github.com/cloudevents/sdk-go/v2/event"
)

// The brokers (DESIGN section 3). They are two because the RabbitMQ broker filters on exact values only and cannot tell
// producers' events from ours.
const (
	BrokerEvents     = "events"     // producers' events
	BrokerDeliveries = "deliveries" // hints
)

var (
	// ErrUnavailable says that the bus did not take the event, or is not known to have it.
	ErrUnavailable = errors.New("bus unavailable")
	// ErrBusy is what a handler returns when it has no room now: the event comes again, as for any error, and a bus that
	// can tell the sender why says so (Knative: 429).
	ErrBusy = errors.New("handler busy")
)

// ErrInvalid says that an event lacks an attribute that every CloudEvent has, and no bus will take it.
var ErrInvalid = errors.New("not a CloudEvent")

// Bus carries CloudEvents from publishers to subscriptions.
type Bus interface {
	// Publish hands an event to a broker; nil means that the broker has it. The trace context of ctx travels with it.
	// Errors: ErrUnavailable, ErrInvalid, and others for what will not be better later.
	Publish(ctx context.Context, broker string, e event.Event) error
	// Subscribe starts to hand the events that match to h, up to Parallelism at once, until Close. An error from h
	// asks for the event again: a durable subscription on AMQP redelivers until it is taken, any other gives up after
	// a bounded number of tries.
	Subscribe(s Subscription, h Handler) error
	// Drain stops the subscriptions and waits until the handlers at work have returned or ctx ends. Publish still works
	// wherever the brokers are not in this process, so that what the handlers had to say can be said before Close.
	Drain(ctx context.Context) error
	// Close drains, then refuses publishes and gives back what the bus holds. When ctx ends before the handlers have
	// returned, their contexts end, and Close returns without them.
	Close(ctx context.Context) error
}

// Subscription is one trigger.
type Subscription struct {
	// Name is the trigger's name: processes that subscribe with one name share its events.
	Name string
	// Broker is the broker subscribed to.
	Broker string
	// Filter is the exact values of attributes that an event must have, all of them; none means every event.
	Filter map[string]string
	// Parallelism is how many events are handed over at once; at least 1.
	Parallelism int
	// Durable keeps the events while nobody subscribes.
	Durable bool
}

// Handler takes one event, and must not change it: other subscriptions may be handed the same. Its context carries the
// trace context that the event travelled with, and ends only when Close has waited in vain; a sender who goes away does
// not end it.
type Handler func(ctx context.Context, e event.Event) error

// Matches reports whether an event passes the filter: each attribute present, with exactly that value.
func (s *Subscription) Matches(e *event.Event) bool {
	for name, want := range s.Filter {
		if got, ok := attribute(e, name); !ok || got != want {
			return false
		}
	}
	return true
}

// Undecodable is what arrived and is not an event: broken, without a required attribute, too long.
type Undecodable struct {
	// Header is the headers that it came with, by their names in lower case.
	Header map[string]string
	// Body is what it came with, cut off where the back end's bound is.
	Body []byte
	// Err says what is wrong. It may quote the others.
	Err error
}

// Check reports whether an event has the attributes that every CloudEvent has. Errors: ErrInvalid.
func Check(e *event.Event) error {
	if e.Context == nil || e.ID() == "" || e.Type() == "" || e.Source() == "" {
		return ErrInvalid
	}
	return nil
}

// attribute returns the value of a CloudEvents attribute that filters may name.
func attribute(e *event.Event, name string) (string, bool) {
	switch name {
	case "type":
		return e.Type(), true
	case "source":
		return e.Source(), true
	case "subject":
		return e.Subject(), e.Subject() != ""
	case "id":
		return e.ID(), true
	default:
		v, ok := e.Extensions()[name].(string)
		return v, ok
	}
}
