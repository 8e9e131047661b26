package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/wire"
)

// What becomes of a hint.
const (
	hintPublished = "published"
	hintFailed    = "failed"  // the bus did not take it
	hintDropped   = "dropped" // there was no room for it
)

// hints counts what the hints of a process name, and says when hints are lost.
type hints struct {
	named   *prometheus.CounterVec // by type and result
	givenUp *prometheus.CounterVec // by subscription
	log     *slog.Logger
	now     func() time.Time

	mu   sync.Mutex
	lost map[string]time.Time // by what loses hints, until it is said that it does not any more: when the last one was
}

// settled is for how long no hint may be lost until that counts as over. While some are lost and some are not, nothing
// is said more often than that.
const settled = time.Minute

func newHints(r prometheus.Registerer, log *slog.Logger, now func() time.Time) *hints {
	f := promauto.With(r)
	h := &hints{
		named: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_hints_named_total",
			Help: "Deliveries and endpoints named by hints, and hints that there are jobs, by the hint's type and by what " +
				"became of it; what those that failed or were dropped name is found by the tick.",
		}, []string{"type", "result"}),
		givenUp: f.NewCounterVec(prometheus.CounterOpts{
			Name: "homing_hints_given_up_total",
			Help: "Hints that arrived and could not be handled in a bounded number of tries, by subscription.",
		}, []string{"subscription"}),
		log: log, now: now, lost: make(map[string]time.Time),
	}
	telemetry.Precreate(h.named, []string{wire.TypeDue, wire.TypeRescheduled, wire.TypeOverdue, wire.TypeJobs},
		[]string{hintPublished, hintFailed, hintDropped})
	return h
}

// note counts what a hint named, and says when hints of its type begin to be lost and when they have ceased to be.
func (h *hints) note(hintType, result string, named int, err error) {
	h.named.WithLabelValues(hintType, result).Add(float64(named))
	switch changed := h.change(hintType, result != hintPublished); {
	case !changed:
	case result == hintPublished:
		h.log.Info("no hints are lost any more", "type", hintType)
	default:
		h.log.Warn("hints are being lost: the reconciler will find their deliveries", "type", hintType, "why", result,
			"error", err)
	}
}

// deadHints takes the hints that deliver would not: on Knative the dead-letter sink of its triggers is retry. They are
// counted and gone; the reconciler finds what they name. What retry itself did not take in time it gets once more.
func (h *Host) deadHints(next http.Handler) (http.Handler, error) {
	if h.cfg.Function != config.FunctionRetry {
		return next, nil
	}
	triggers, err := eventing.Triggers(h.cfg.Services.Partitions)
	if err != nil {
		return nil, err
	}
	triggers = slices.DeleteFunc(triggers, func(t eventing.Trigger) bool {
		return t.Subscriber != string(config.FunctionDeliver)
	})
	for _, t := range triggers {
		h.hints.givenUp.WithLabelValues(t.Name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(triggers, func(t eventing.Trigger) bool { return isDead(r, t.Filter) })
		if i < 0 {
			next.ServeHTTP(w, r)
			return
		}
		h.hints.giveUp(triggers[i].Name, errDead)
		w.WriteHeader(http.StatusNoContent)
	}), nil
}

// errDead is why the broker gives a hint up: retries that failed, of which it says no more than the last status.
var errDead = errors.New("host: the broker could not hand it over")

// isDead reports whether a request is a dead letter of a trigger with a filter. The dispatcher speaks binary mode only.
func isDead(r *http.Request, filter map[string]string) bool {
	for attribute, value := range filter {
		if r.Header.Get("ce-"+attribute) != value {
			return false
		}
	}
	return r.Method == http.MethodPost && r.Header.Get("ce-knativeerrordest") != ""
}

// giveUp counts a hint that arrived and could not be handled, and says when such begin to come.
func (h *hints) giveUp(subscription string, err error) {
	h.givenUp.WithLabelValues(subscription).Inc()
	if h.change("subscription "+subscription, true) {
		h.log.Warn("hints cannot be handled: the reconciler will find their deliveries", "subscription", subscription,
			"error", err)
	}
}

// change notes whether a hint was lost, and reports whether that is news.
func (h *hints) change(key string, isLost bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	last, losing := h.lost[key]
	over := now.Sub(last) >= settled
	if isLost {
		h.lost[key] = now
		return !losing || over
	}
	if losing && over {
		delete(h.lost, key)
	}
	return losing && over
}

// hinter makes a hinter of a type, flushed when what uses it has stopped.
func (h *Host) hinter(hintType string) *bus.Hinter {
	hinter := bus.NewHinter(h.bus, bus.HinterConfig{
		Type: hintType, Partitions: h.cfg.Services.Partitions, IDs: &h.ids, Now: h.clock.Now,
		Published: func(named int) { h.hints.note(hintType, hintPublished, named, nil) },
		Failed:    func(named int, err error) { h.hints.note(hintType, hintFailed, named, err) },
		Dropped:   func(named int) { h.hints.note(hintType, hintDropped, named, nil) },
	})
	h.parts = append(h.parts, server.Part{Name: "hints " + hintType, Stop: hinter.Close})
	return hinter
}

// jobsHinter returns what says that a job has begun. It never blocks: one hint stands for all that are said while it is
// under way, and when it fails the tick finds the job.
func (h *Host) jobsHinter() func() {
	said := make(chan struct{}, 1)
	h.parts = append(h.parts, loop("hints "+wire.TypeJobs, func(ctx context.Context) {
		for {
			select {
			case <-said:
				h.publishEmptyHint(ctx, wire.TypeJobs)
			case <-ctx.Done():
				return
			}
		}
	}))
	return func() {
		select {
		case said <- struct{}{}:
		default:
		}
	}
}

// publishHints sends hints of a type, each of one partition, and returns once the bus has them all.
func (h *Host) publishHints(ctx context.Context, hintType string, due []wire.Due, endpoints []wire.Endpoint) error {
	for _, hint := range wire.Split(hintType, h.cfg.Services.Partitions, due, endpoints) {
		e, err := wire.Encode(&hint, h.ids.New(h.clock.Now()), h.clock.Now())
		if err != nil {
			return fmt.Errorf("host: hint: %w", err)
		}
		named := len(hint.Deliveries) + len(hint.Endpoints)
		if err := h.bus.Publish(ctx, bus.BrokerDeliveries, e); err != nil {
			h.hints.note(hintType, hintFailed, named, err)
			return fmt.Errorf("host: hint: %w", err)
		}
		h.hints.note(hintType, hintPublished, named, nil)
	}
	return nil
}
