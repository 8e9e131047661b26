package accept

import (
	"context"
	"errors"
	"fmt"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Redrive takes up to limit of the rejected events that wait to be taken again, and returns how many that were. What
// became of each is written after it was accepted: after a crash in between it is taken once more, and is a duplicate
// then. Errors: store.ErrUnavailable, and others that are about single events, which go on waiting.
func (f *BrokerFace) Redrive(ctx context.Context, s store.Redriver, limit int) (taken int, err error) {
	waiting, err := s.Redrives(ctx, limit)
	if err != nil {
		return 0, fmt.Errorf("accept: redrive: %w", err)
	}
	var errs []error
	for _, r := range waiting {
		done, err := f.redrive(ctx, r)
		if err == nil {
			err = s.Redriven(ctx, done)
		}
		switch {
		case err == nil:
			taken++
		case errors.Is(err, store.ErrUnavailable), ctx.Err() != nil:
			return taken, fmt.Errorf("accept: redrive: %w", err)
		default:
			errs = append(errs, fmt.Errorf("accept: redrive %s: %w", r.ID, err))
		}
	}
	return taken, errors.Join(errs...)
}

// redrive takes something that was rejected once more, as it came then, and says what became of it: it is an event now,
// or is rejected anew.
func (f *BrokerFace) redrive(ctx context.Context, r store.Rejected) (store.Redriven, error) {
	done := store.Redriven{Tenant: r.Tenant, ID: r.ID}
	events, err := Decode(ctx, Raw{Header: r.Headers, Body: r.Body}, false)
	var e webhook.Event
	if err == nil {
		e = events[0]
	}
	if tenant, _ := e.Extensions[TenantAttribute].(string); err == nil && r.Tenant != "" && tenant != r.Tenant {
		// It was somebody's when it was rejected, and can become nobody else's.
		done.Reason, done.Detail = rejectTenant, errTenant.Error()
		return done, nil
	}
	receipt, refused, err := f.judge(ctx, e, err)
	switch {
	case err != nil:
		return done, err
	case refused != nil:
		f.accepter.cfg.Metrics.rejected.WithLabelValues(refused.reason).Inc()
		done.Reason, done.Detail = refused.reason, storable(refused.cause.Error())
	default:
		done.Event = receipt.ID
	}
	return done, nil
}
