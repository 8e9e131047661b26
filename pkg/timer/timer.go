// Package timer is the seam between Homing and the thing that remembers what is due soon: Redis, or memory in one
// process.
//
// It owns the contract: entries are set for a time, claimed by one of many firing processes when due, and removed
// when their hint is out. It promises that an entry that was claimed and not done comes back when its lease is over,
// so that none is lost with the process that claimed it, and that no two processes hold one at once. It never holds
// more than ids, and everything in it may be wiped at any moment: Postgres is the truth, and the reconciler finds
// what timers forgot.
package timer

import (
	"context"
	"errors"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrUnavailable says that the timers cannot be reached. Nothing is lost by going on without them but time.
var ErrUnavailable = errors.New("timers unavailable")

// Timer keeps entries until they are due. Time is given by the caller (the store's clock as well as the process knows
// it).
type Timer interface {
	// Set adds entries, or moves those there already to their new time.
	Set(ctx context.Context, entries []Entry) error
	// Claim takes up to limit entries that are due at now, earliest first per shard, and holds them until now+lease.
	// next is when the earliest entry not claimed by this call is due or comes back; zero when there is none.
	Claim(ctx context.Context, now time.Time, limit int, lease time.Duration) (claimed []Entry, next time.Time, err error)
	// Done removes entries that this process claimed, unless they were set anew meanwhile.
	Done(ctx context.Context, claimed []Entry) error
	// Len returns how many entries there are, claimed ones included.
	Len(ctx context.Context) (int, error)
	// Close gives back what the timer holds.
	Close() error
}

// Entry is one timer: a delivery that is due, or, with a zero Delivery, an endpoint that may be sent to again.
type Entry struct {
	Endpoint webhook.ID
	Delivery webhook.ID
	// Attempt is how many attempts of the delivery have been made.
	Attempt int
	Due     time.Time
	// Lease is set by Claim: the moment until which the entry is held, which Done compares.
	Lease time.Time
}
