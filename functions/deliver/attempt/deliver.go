package attempt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/homing-hooks/homing/pkg/batch"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// ErrFull says that every slot of the process stayed taken for the whole hold budget: send the hint again later. It is
// a bus.ErrBusy, which a broker is told as 429.
var ErrFull = fmt.Errorf("attempt: every slot is taken: %w", bus.ErrBusy)

// ErrClosing says that the process is ending: send the hint to another.
var ErrClosing = errors.New("attempt: closing")

// Store is what deliver needs of a store.
type Store interface {
	store.Claimer
	store.Recorder
}

// Config is what a Deliverer is made of. Every field is required but where it says otherwise.
type Config struct {
	Store Store
	Gate  gate.Gate
	Send  *dispatch.Dispatcher
	// Hint asks for timers for deliveries that are due later, HintEndpoint for endpoints. They must not block, and may
	// lose what they are told.
	Hint         func(due ...wire.Due)
	HintEndpoint func(endpoints ...wire.Endpoint)
	// HandOver says that endpoints have work, when the process ends.
	HandOver func(endpoints ...wire.Endpoint)
	// Now is the store's time, as well as this process knows it.
	Now    func() time.Time
	Policy webhook.Policy
	Slots  SlotConfig
	// HoldBudget is how long a request waits for its deliveries; 0 is not at all. They go on afterwards, under their
	// lease.
	HoldBudget time.Duration
	// ClaimItems and ClaimBytes bound one claim: default 500 deliveries, 16 MiB of payloads.
	ClaimItems, ClaimBytes int
	// LargePayloads is how many payloads that did not fit a claim may be in memory at once; default 64.
	LargePayloads int
	Log           *slog.Logger
	Metrics       *Metrics
	Tracer        trace.Tracer
}

// recordPace lets outcomes wait for more of them while deliver is busy: by then the receiver has its event, and nobody
// waits for anything but the slot.
const recordPace = 20 * time.Millisecond

// Deliverer turns hints into attempts. Its methods are safe for concurrent use.
type Deliverer struct {
	cfg     Config
	slots   *slots
	claims  *batch.Group[store.ClaimItem, claimed]
	records *batch.Group[store.Result, store.Recorded]
	room    chan struct{} // capacity 1: a slot was freed or work was marked
	large   chan struct{} // a token for each large payload in memory
	// unrecorded has a token for each outcome on its way to the store, of as many as there are slots. A slot is free when
	// its POST is answered; only when the store takes outcomes more slowly than they come do slots wait for it.
	unrecorded chan struct{}
	jobs       chan job // to goroutines that wait for another attempt

	mu       sync.Mutex
	closing  bool
	inFlight sync.WaitGroup // attempts and handlers
	workers  sync.WaitGroup // the goroutines that make attempts
	pulling  sync.WaitGroup
	stopPull context.CancelFunc
	// life ends when Close gives up waiting: it cuts what is still in flight.
	life context.Context
	cut  context.CancelFunc
}

// New makes a Deliverer and starts its pulling. Close it when done.
func New(cfg Config) *Deliverer {
	cfg.ClaimItems = cmp.Or(cfg.ClaimItems, 500)
	cfg.ClaimBytes = cmp.Or(cfg.ClaimBytes, 16<<20)
	cfg.LargePayloads = cmp.Or(cfg.LargePayloads, 64)
	d := &Deliverer{
		cfg: cfg, slots: newSlots(cfg.Slots), room: make(chan struct{}, 1), large: make(chan struct{}, cfg.LargePayloads),
		jobs: make(chan job),
	}
	d.unrecorded = make(chan struct{}, d.slots.cfg.total)
	// One commit of each kind at a time: what comes meanwhile goes into the next. A second one at once would halve the
	// groups, and with them what a commit is worth.
	d.claims = batch.New(batch.Config[store.ClaimItem]{
		MaxItems: cfg.ClaimItems, OnFlush: cfg.Metrics.claimGroup,
	}, d.claimGroup)
	d.records = batch.New(batch.Config[store.Result]{
		MaxItems: cfg.ClaimItems, OnFlush: cfg.Metrics.recordGroup, Pace: recordPace,
	}, cfg.Store.Record)
	d.life, d.cut = context.WithCancel(context.Background())
	var pullCtx context.Context
	pullCtx, d.stopPull = context.WithCancel(d.life)
	d.pulling.Go(func() { d.pullLoop(pullCtx) })
	cfg.Metrics.watch(d.slots.inFlight)
	return d
}

// Handle attempts what a hint names, as far as there are slots; the rest is pulled as they free. It returns when the
// attempts are done or the hold budget is over, whichever is first; ctx does not cut them short. Errors: ErrFull,
// ErrClosing, store.ErrUnavailable: the hint may be sent again.
func (d *Deliverer) Handle(ctx context.Context, h wire.Hint) error {
	if !d.enter() {
		return ErrClosing
	}
	defer d.inFlight.Done()
	ctx = context.WithoutCancel(ctx)
	items := d.admit(ctx, h)
	if len(items) == 0 {
		return d.waitIfFull()
	}
	answers, err := d.claims.DoMany(ctx, items)
	if err != nil {
		for _, item := range items {
			d.slots.giveBack(item.Endpoint, 1)
		}
		return fmt.Errorf("attempt: claim: %w", err)
	}
	var started sync.WaitGroup
	n := 0
	for i := range answers {
		c := &answers[i]
		if c.work != nil {
			n++
			d.start(job{work: c.work, askedAt: c.askedAt, answeredAt: c.answeredAt, done: &started})
			continue
		}
		d.slots.giveBack(items[i].Endpoint, 1)
		d.later(items[i], c)
	}
	d.cfg.Metrics.claimed("hint", n)
	d.freed() // what a first claim taught may give its endpoint more room
	waitAtMost(&started, d.cfg.HoldBudget)
	return nil
}

// admit takes slots for the deliveries of a hint, and marks the endpoints whose deliveries did not all get one.
func (d *Deliverer) admit(ctx context.Context, h wire.Hint) []store.ClaimItem {
	counts := make(map[webhook.ID]int, len(h.Deliveries))
	for _, due := range h.Deliveries {
		counts[due.Endpoint]++
	}
	marked := false
	for endpoint, want := range counts {
		got, rate := d.slots.take(endpoint, want, d.cfg.Now())
		granted := d.passGate(ctx, endpoint, rate, got)
		d.slots.giveBack(endpoint, got-granted)
		if counts[endpoint] = granted; granted < want {
			d.slots.mark(endpoint, d.cfg.Now())
			marked = true
		}
	}
	for _, e := range h.Endpoints {
		d.slots.mark(e.Endpoint, d.cfg.Now())
		marked = true
	}
	if marked {
		d.freed()
	}
	items := make([]store.ClaimItem, 0, len(h.Deliveries))
	for _, due := range h.Deliveries {
		if counts[due.Endpoint] > 0 {
			counts[due.Endpoint]--
			items = append(items, store.ClaimItem{Delivery: due.Delivery, Endpoint: due.Endpoint, Attempt: due.Attempt})
		}
	}
	return items
}

// waitIfFull holds a request for which there was no slot as long as the process has none at all, so that whoever scales
// and spreads the load sees it.
func (d *Deliverer) waitIfFull() error {
	full := func() bool { used, _ := d.slots.inFlight(); return used >= d.slots.cfg.total }
	if !full() {
		return nil
	}
	over := time.NewTimer(d.cfg.HoldBudget)
	defer over.Stop()
	select {
	case <-over.C:
	case <-d.life.Done():
	}
	if full() {
		return ErrFull
	}
	return nil
}

// later sees to an item that was wanted and could not be claimed yet.
func (d *Deliverer) later(item store.ClaimItem, c *claimed) {
	switch {
	case c.openIn > 0:
		d.wakeEndpoint(item.Endpoint, c.openIn)
	case c.dueIn > 0:
		// A hint came early: clocks differ a little. Its timer brings it again.
		d.cfg.Hint(wire.Due{
			Delivery: item.Delivery, Endpoint: item.Endpoint, Attempt: item.Attempt, Due: d.cfg.Now().Add(c.dueIn),
		})
	}
}

// enter counts a handler in, unless the process is ending.
func (d *Deliverer) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return false
	}
	d.inFlight.Add(1)
	return true
}

// freed says that there may be room for the backlog.
func (d *Deliverer) freed() {
	select {
	case d.room <- struct{}{}:
	default:
	}
}

// Close refuses new hints, stops pulling, hands over what waits, and waits until what is in flight is sent and
// recorded. When ctx ends first, what is in flight is cut; its attempts will be found interrupted. Errors: that of ctx.
func (d *Deliverer) Close(ctx context.Context) error {
	d.mu.Lock()
	already := d.closing
	d.closing = true
	d.mu.Unlock()
	if already {
		return nil
	}
	d.stopPull()
	d.pulling.Wait()
	d.handOver()
	done := make(chan struct{})
	go func() {
		d.inFlight.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	err := ctx.Err()
	d.cut()
	<-done
	d.workers.Wait()
	return errors.Join(err, d.claims.Close(ctx), d.records.Close(ctx))
}

func (d *Deliverer) handOver() {
	behind := d.slots.behind()
	endpoints := make([]wire.Endpoint, len(behind))
	now := d.cfg.Now()
	for i, id := range behind {
		endpoints[i] = wire.Endpoint{Endpoint: id, Due: now}
	}
	if len(endpoints) > 0 {
		d.cfg.HandOver(endpoints...)
	}
}

// waitAtMost waits for wg, but no longer than limit.
func waitAtMost(wg *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	over := time.NewTimer(limit)
	defer over.Stop()
	select {
	case <-done:
	case <-over.C:
	}
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}
