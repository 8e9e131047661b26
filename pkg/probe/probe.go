package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/client"
)

// source is where the events of probes come from.
const source = "/homing/probe"

// lookAgain is how long manage waits before it looks again whether a delivery has been recorded.
const lookAgain = 500 * time.Millisecond

// Config is what a Prober is made of. There are no defaults.
type Config struct {
	// Server is the base URL of the management API, Ingest that of ingest; Key is for both, and Tenant is whose the
	// endpoints and events are.
	Server, Ingest, Key, Tenant string
	// Receiver is the base URL under which Homing reaches the Prober's handler.
	Receiver string
	// Broker takes brokered events; nil: there are none. BrokerKey signs them; nil: nobody does.
	Broker    bus.Publisher
	BrokerKey *brokersign.Key
	// Interval is the time between rounds, Timeout how long one probe may take.
	Interval, Timeout time.Duration
	// Metrics are made by NewMetrics with the probes that are On.
	Metrics *Metrics
	Log     *slog.Logger
}

// On are the probes of a configuration.
func (c *Config) On() []Name {
	if c.Broker == nil {
		return []Name{Direct, Retry, Manage}
	}
	return Names
}

// Prober makes the probes, and is the handler that their webhooks come to.
type Prober struct {
	cfg         Config
	api, ingest *client.Client
	receiver    receiver
}

// New makes a Prober; it asks for nothing yet. Errors: URLs that are none.
func New(cfg Config) (*Prober, error) {
	options := []client.Option{
		client.WithTenant(cfg.Tenant), client.WithUserAgent("homing-probe"), client.WithRetries(0, 0),
		client.WithHTTPClient(&http.Client{Timeout: cfg.Timeout}),
	}
	p := &Prober{cfg: cfg}
	var err, ingestErr error
	p.api, err = client.New(cfg.Server, cfg.Key, options...)
	p.ingest, ingestErr = client.New(cfg.Ingest, cfg.Key, options...)
	return p, errors.Join(err, ingestErr)
}

// ServeHTTP receives webhooks.
func (p *Prober) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.receiver.ServeHTTP(w, r) }

// Run makes a round at once and one every interval, until ctx ends.
func (p *Prober) Run(ctx context.Context) {
	again := time.NewTicker(p.cfg.Interval)
	defer again.Stop()
	for {
		p.round(ctx)
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// round makes all probes. Without endpoints there is nothing to send to: where the API has never answered, they fail.
func (p *Prober) round(ctx context.Context) {
	began := time.Now()
	setUp, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	listed := p.setUp(setUp)
	var delivered string
	var all sync.WaitGroup
	all.Go(func() {
		var sent *client.Receipt
		o := p.webhook(ctx, Direct, &expected{path: pathSteady}, p.sending(typeDirect, &sent))
		if o == Success {
			delivered = sent.ID
		}
	})
	all.Go(func() { p.webhook(ctx, Retry, &expected{path: pathFaltering, tries: 1}, p.sending(typeRetry, nil)) })
	if p.cfg.Broker != nil {
		all.Go(func() { p.webhook(ctx, Brokered, &expected{path: pathSteady}, p.publish) })
	}
	all.Wait()
	p.manage(ctx, began, listed, delivered)
}

// sending sends events of a type to ingest, and keeps the receipt where somebody wants it.
func (p *Prober) sending(eventType string, receipt **client.Receipt) send {
	return func(ctx context.Context, id string, body []byte) error {
		r, err := p.ingest.Send(ctx, client.CloudEvent{ID: id, Source: source, Type: eventType, Data: body})
		if receipt != nil {
			*receipt = r
		}
		return err
	}
}

// send hands an event in.
type send func(ctx context.Context, id string, body []byte) error

// webhook makes a probe: it sends an event and waits for what it is expected to become.
func (p *Prober) webhook(ctx context.Context, name Name, e *expected, hand send) Outcome {
	began, id := time.Now(), rand.Text()
	e.body = []byte(`{"probe": "` + string(name) + `"}`)
	p.receiver.expect(id, e)
	defer p.receiver.forget(id)
	within, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	if err := hand(within, id, e.body); err != nil {
		return p.ended(ctx, name, Refused, began, err)
	}
	select {
	case o := <-e.ended:
		return p.ended(ctx, name, o, began, nil)
	case <-within.Done():
		return p.ended(ctx, name, Missing, began, fmt.Errorf("no webhook of event %s within %s", id, p.cfg.Timeout))
	}
}

// publish hands a brokered event to the broker.
func (p *Prober) publish(ctx context.Context, id string, body []byte) error {
	e := event.New()
	e.SetID(id)
	e.SetSource(source)
	e.SetType(typeBrokered)
	e.SetTime(time.Now())
	if err := e.SetData(event.ApplicationJSON, body); err != nil {
		return err
	}
	e.SetExtension(brokersign.TenantAttribute, p.cfg.Tenant)
	if p.cfg.BrokerKey != nil {
		if err := p.cfg.BrokerKey.Sign(&e, p.cfg.Tenant); err != nil {
			return err
		}
	}
	return p.cfg.Broker.Publish(ctx, bus.BrokerEvents, e)
}

// manage judges what the API said at the beginning of the round, and whether it shows an event that has been delivered
// as such; "" where there is none, which is for direct to tell.
func (p *Prober) manage(ctx context.Context, began time.Time, listed error, delivered string) {
	if listed != nil {
		p.ended(ctx, Manage, Refused, began, listed)
		return
	}
	began = time.Now()
	within, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	for delivered != "" {
		page, err := p.api.ListDeliveriesPage(within, client.ListDeliveriesParams{Event: delivered, Limit: 1})
		if err != nil && within.Err() == nil {
			p.ended(ctx, Manage, Refused, began, err)
			return
		}
		if err == nil && len(page.Data) == 1 && page.Data[0].State == "succeeded" {
			break
		}
		select {
		case <-time.After(lookAgain):
		case <-within.Done():
			p.ended(ctx, Manage, Missing, began, errors.New("the API does not show event "+delivered+" as delivered"))
			return
		}
	}
	p.ended(ctx, Manage, Success, began, nil)
}

// ended notes what became of a probe, unless it is the program that ends.
func (p *Prober) ended(ctx context.Context, name Name, o Outcome, began time.Time, why error) Outcome {
	if ctx.Err() != nil {
		return o
	}
	now := time.Now()
	p.cfg.Metrics.observe(name, o, now.Sub(began), now)
	level := slog.LevelDebug
	if o != Success {
		level = slog.LevelWarn
	}
	p.cfg.Log.Log(ctx, level, "probe", "probe", string(name), "outcome", string(o), "took", now.Sub(began), "error", why)
	return o
}
