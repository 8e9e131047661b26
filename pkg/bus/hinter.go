package bus

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// Defaults of HinterConfig.
const (
	MaxInFlightDefault          = 8
	MaxQueuedPerEndpointDefault = 1000
	MaxQueuedDefault            = 100_000
	HintTimeoutDefault          = 5 * time.Second
)

// Publisher is the half of a Bus that a Hinter needs.
type Publisher interface {
	// Publish is that of Bus.
	Publish(ctx context.Context, broker string, e event.Event) error
}

// HinterConfig is how a Hinter behaves. Only Type has no default.
type HinterConfig struct {
	// Type is the CloudEvents type of the hints: wire.TypeDue, TypeRescheduled or TypeOverdue.
	Type string
	// Partitions is how many partitions the endpoints are spread over: as many as there are triggers. Defaults to 1.
	Partitions int
	// MaxInFlight is how many hints are being published at once, each of another partition. Defaults to
	// MaxInFlightDefault.
	MaxInFlight int
	// MaxQueuedPerEndpoint is how many deliveries of one endpoint wait at most; one more turns them all into "this
	// endpoint has work". Defaults to MaxQueuedPerEndpointDefault.
	MaxQueuedPerEndpoint int
	// MaxQueued is how many deliveries and endpoints wait at most, all partitions together; beyond it what has waited
	// longest is dropped, for the reconciler to find. One costs some 60 bytes. Defaults to MaxQueuedDefault.
	MaxQueued int
	// Timeout is how long one publish may take. Defaults to HintTimeoutDefault.
	Timeout time.Duration
	// IDs makes the ids of the hints; Now is the time in them. They default to a source of its own and to time.Now.
	IDs *webhook.IDSource
	Now func() time.Time
	// Published and Failed are told how many deliveries and endpoints a hint named that was published, or was not and
	// is gone; Dropped, how many there was no room for. Nil means that nobody wants to know. They must not block.
	Published func(named int)
	Failed    func(named int, err error)
	Dropped   func(named int)
}

// Hinter publishes hints beside the work that causes them: saying never blocks and never fails. What is said while
// nothing is being published leaves at once; what is said meanwhile leaves together, up to wire.MaxIDs in a hint.
// Hints are best effort: one that is not published is counted and forgotten. A Hinter at rest has no goroutines.
type Hinter struct {
	cfg HinterConfig
	pub Publisher
	ctx context.Context
	end context.CancelFunc

	mu         sync.Mutex
	partitions []hintQueue
	turn       int // the partition to look at first, so that none starves
	inFlight   int
	closed     bool
	idle       chan struct{} // closed when nothing is in flight any more; made by Close
}

// NewHinter returns a Hinter that publishes to BrokerDeliveries.
func NewHinter(pub Publisher, cfg HinterConfig) *Hinter {
	cfg.Partitions = cmp.Or(cfg.Partitions, 1)
	cfg.MaxInFlight = cmp.Or(cfg.MaxInFlight, MaxInFlightDefault)
	cfg.MaxQueuedPerEndpoint = cmp.Or(cfg.MaxQueuedPerEndpoint, MaxQueuedPerEndpointDefault)
	cfg.MaxQueued = cmp.Or(cfg.MaxQueued, MaxQueuedDefault)
	cfg.Timeout = cmp.Or(cfg.Timeout, HintTimeoutDefault)
	if cfg.IDs == nil {
		cfg.IDs = &webhook.IDSource{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Published == nil {
		cfg.Published = func(int) {}
	}
	if cfg.Failed == nil {
		cfg.Failed = func(int, error) {}
	}
	if cfg.Dropped == nil {
		cfg.Dropped = func(int) {}
	}
	h := &Hinter{cfg: cfg, pub: pub, partitions: make([]hintQueue, cfg.Partitions)}
	h.ctx, h.end = context.WithCancel(context.Background())
	for i := range h.partitions {
		h.partitions[i] = hintQueue{
			number:      i,
			perEndpoint: cfg.MaxQueuedPerEndpoint,
			room:        max(cfg.MaxQueued/cfg.Partitions, wire.MaxIDs),
			of:          make(map[webhook.ID]*endpointQueue),
		}
	}
	return h
}

// Say hints at deliveries. After Close it does nothing but count.
func (h *Hinter) Say(items ...wire.Due) {
	h.say(len(items), func() (dropped int) {
		for i := range items {
			dropped += h.partition(items[i].Endpoint).addDelivery(items[i])
		}
		return dropped
	})
}

// SayEndpoint hints at endpoints that have due deliveries. After Close it does nothing but count.
func (h *Hinter) SayEndpoint(items ...wire.Endpoint) {
	h.say(len(items), func() (dropped int) {
		for i := range items {
			dropped += h.partition(items[i].Endpoint).addEndpoint(items[i])
		}
		return dropped
	})
}

func (h *Hinter) partition(endpoint webhook.ID) *hintQueue {
	return &h.partitions[wire.PartitionOf(endpoint, len(h.partitions))]
}

// say adds under the lock, then starts to publish where nothing is being published.
func (h *Hinter) say(n int, add func() (dropped int)) {
	h.mu.Lock()
	dropped := n
	if !h.closed {
		dropped = add()
		for h.inFlight < h.cfg.MaxInFlight {
			hint, q, ok := h.next()
			if !ok {
				break
			}
			h.inFlight++
			go h.publish(hint, q)
		}
	}
	h.mu.Unlock()
	if dropped > 0 {
		h.cfg.Dropped(dropped)
	}
}

// next takes a hint from a partition that waits, and marks it as being published. The lock is held.
func (h *Hinter) next() (wire.Hint, *hintQueue, bool) {
	for range h.partitions {
		q := &h.partitions[h.turn]
		h.turn = (h.turn + 1) % len(h.partitions)
		if q.publishing || q.first == nil {
			continue
		}
		q.publishing = true
		return q.take(h.cfg.Type), q, true
	}
	return wire.Hint{}, nil, false
}

// publish publishes a hint, then whatever waits, until nothing does.
func (h *Hinter) publish(hint wire.Hint, q *hintQueue) {
	for ok := true; ok; {
		named := len(hint.Deliveries) + len(hint.Endpoints)
		if err := h.publishOne(&hint); err != nil {
			h.cfg.Failed(named, err)
		} else {
			h.cfg.Published(named)
		}
		h.mu.Lock()
		q.publishing = false
		if hint, q, ok = h.next(); !ok {
			h.inFlight--
			h.announceIdle()
		}
		h.mu.Unlock()
	}
}

func (h *Hinter) publishOne(hint *wire.Hint) error {
	now := h.cfg.Now()
	e, err := wire.Encode(hint, h.cfg.IDs.New(now), now)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.cfg.Timeout)
	defer cancel()
	return h.pub.Publish(ctx, BrokerDeliveries, e)
}

// announceIdle tells Close that nothing is in flight. The lock is held.
func (h *Hinter) announceIdle() {
	if h.idle != nil && h.inFlight == 0 {
		close(h.idle)
		h.idle = nil
	}
}

// Close publishes what waits and returns. When ctx ends first, it drops the rest, ends the publishes in flight, and
// returns the reason of ctx.
func (h *Hinter) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	idle := h.idle
	if idle == nil {
		idle = make(chan struct{})
		h.idle = idle
	}
	h.announceIdle()
	h.mu.Unlock()
	defer h.end()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	dropped := 0
	for i := range h.partitions {
		dropped += h.partitions[i].drop()
	}
	h.mu.Unlock()
	if dropped > 0 {
		h.cfg.Dropped(dropped)
	}
	return fmt.Errorf("hinter: close: %w", ctx.Err())
}
