// Package gate is the seam that bounds how often an endpoint is sent to, over all processes: Redis, or memory in one.
//
// It owns rate limits by the generic cell rate algorithm. It promises that over any span of time an endpoint gets no
// more than its rate and one burst, however many processes ask. It never holds the truth: it may be wiped at any
// moment, and when it cannot be reached each process falls back to a gate of its own, so that a limit is loosened,
// never a delivery lost. Endpoints without a limit never come here.
package gate

import (
	"context"
	"errors"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrUnavailable says that the gate cannot be reached in time.
var ErrUnavailable = errors.New("gate unavailable")

// Gate grants sends.
type Gate interface {
	// Take asks for sends to endpoints at now, one grant per request, in order.
	Take(ctx context.Context, now time.Time, requests []Request) ([]Grant, error)
	// Close gives back what the gate holds.
	Close() error
}

// Request asks for up to Want sends to an endpoint whose limit is PerMinute (at least 1) with a burst of one second's
// worth, or of one send where that is more.
type Request struct {
	Endpoint  webhook.ID
	PerMinute int
	Want      int
}

// Grant is how many sends may be made now, and, when that is fewer than wanted, in how long the next may.
type Grant struct {
	Granted int
	RetryIn time.Duration
}
