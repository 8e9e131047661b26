package attempt_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/functions/deliver/attempt"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/dispatch"
	gatememory "github.com/homing-hooks/homing/pkg/gate/memory"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the store's clock, which tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bundle is deliver over the memory store, with a receiver whose answers the test decides.
type bundle struct {
	clock     *clock
	store     *memory.Store
	deliverer *attempt.Deliverer
	receiver  *httptest.Server
	log       *lockedBuffer
	ids       webhook.IDSource

	mu        sync.Mutex
	hinted    []wire.Due
	endpoints []wire.Endpoint
	handed    []wire.Endpoint
	handle    http.HandlerFunc
	received  []*http.Request
	hook      func(op string, p memory.Phase) error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func setup(t *testing.T, change ...func(*attempt.Config)) *bundle {
	t.Helper()
	b := &bundle{clock: &clock{now: time.Now()}, log: &lockedBuffer{}}
	b.store = memory.New(memory.Options{Clock: b.clock.Now, Hook: func(op string, p memory.Phase) error {
		b.mu.Lock()
		hook := b.hook
		b.mu.Unlock()
		if hook == nil {
			return nil
		}
		return hook(op, p)
	}})
	b.receiver = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		b.mu.Lock()
		b.received = append(b.received, r)
		handle := b.handle
		b.mu.Unlock()
		if handle != nil {
			handle(w, r)
		}
	}))
	t.Cleanup(b.receiver.Close)
	guard, err := dispatch.NewGuard(dispatch.GuardConfig{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	require.NoError(t, err)
	sender := dispatch.New(dispatch.Config{Guard: guard, KeepBody: 1 << 10, ReadBody: 1 << 10})
	t.Cleanup(sender.Close)
	cfg := attempt.Config{
		Store: b.store, Gate: gatememory.New(), Send: sender, Now: b.clock.Now, Policy: webhook.DefaultPolicy(),
		Hint:         func(due ...wire.Due) { b.note(func() { b.hinted = append(b.hinted, due...) }) },
		HintEndpoint: func(e ...wire.Endpoint) { b.note(func() { b.endpoints = append(b.endpoints, e...) }) },
		HandOver:     func(e ...wire.Endpoint) { b.note(func() { b.handed = append(b.handed, e...) }) },
		Log:          slog.New(slog.NewJSONHandler(b.log, nil)), Metrics: attempt.NewMetrics(prometheus.NewRegistry()),
		Tracer: noop.NewTracerProvider().Tracer(""), HoldBudget: time.Minute,
	}
	for _, c := range change {
		c(&cfg)
	}
	b.deliverer = attempt.New(cfg)
	t.Cleanup(func() { require.NoError(t, b.deliverer.Close(context.Background())) })
	require.NoError(t, b.store.CreateTenant(t.Context(), "acme"))
	return b
}

func (b *bundle) note(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// answer makes the receiver answer so from now on.
func (b *bundle) answer(h http.HandlerFunc) { b.note(func() { b.handle = h }) }

func (b *bundle) posts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.received)
}

// endpoint makes one at the receiver.
func (b *bundle) endpoint(t *testing.T, change ...func(*webhook.Endpoint)) webhook.Endpoint {
	t.Helper()
	e := webhook.Endpoint{
		ID: b.ids.New(b.clock.Now()), Tenant: "acme", URL: b.receiver.URL, Format: webhook.FormatBinary,
	}
	for _, c := range change {
		c(&e)
	}
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(t, err)
	secret.ID, secret.Endpoint = b.ids.New(b.clock.Now()), e.ID
	require.NoError(t, b.store.CreateEndpoint(t.Context(), e, []webhook.Secret{secret}))
	return e
}

// event makes an event for the endpoints, due at once.
func (b *bundle) event(t *testing.T, endpoints ...webhook.Endpoint) store.NewEvent {
	t.Helper()
	subs, err := b.store.Subscriptions(t.Context(), "acme")
	require.NoError(t, err)
	policy := webhook.DefaultPolicy()
	id := b.ids.New(b.clock.Now())
	n := store.NewEvent{
		Event: webhook.Event{
			ID: id, Tenant: "acme", Source: "/s", CEID: id.String(), Type: "t", Data: []byte(`{"card":"4111-secret"}`),
		},
		ConfigVersion: subs.Version, Key: webhook.IdentityKey("acme", "/s", id.String()),
	}
	for i := range endpoints {
		n.Deliveries = append(n.Deliveries, store.NewDelivery{
			ID: id.Sibling(), Endpoint: endpoints[i].ID, Lifetime: policy.Lifetime(&endpoints[i]),
			Lease: policy.LeaseOf(&endpoints[i]),
		})
	}
	return n
}

// accept stores events for the endpoints and returns the hint for their deliveries.
func (b *bundle) accept(t *testing.T, n int, endpoints ...webhook.Endpoint) wire.Hint {
	t.Helper()
	hint := wire.Hint{Type: wire.TypeDue}
	for range n {
		e := b.event(t, endpoints...)
		for _, d := range e.Deliveries {
			hint.Deliveries = append(hint.Deliveries, wire.Due{Delivery: d.ID, Endpoint: d.Endpoint, Due: b.clock.Now()})
		}
		results, err := b.store.Accept(t.Context(), []store.NewEvent{e})
		require.NoError(t, err)
		require.Equal(t, store.AcceptStored, results[0].Status)
	}
	return hint
}

func (b *bundle) view(t *testing.T, id webhook.ID) store.DeliveryView {
	t.Helper()
	v, err := b.store.Delivery(t.Context(), "acme", id)
	require.NoError(t, err)
	return v
}

// histogramOf returns how often a histogram without labels was observed, and the sum.
func histogramOf(t *testing.T, r prometheus.Gatherer, name string) (count uint64, sum float64) {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			h := f.GetMetric()[0].GetHistogram()
			return h.GetSampleCount(), h.GetSampleSum()
		}
	}
	require.Fail(t, "there is no "+name)
	return 0, 0
}

// eventually waits for what another goroutine does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, time.Millisecond, what)
}

func (b *bundle) ended(t *testing.T, h wire.Hint, s webhook.State) func() bool {
	return func() bool {
		for _, d := range h.Deliveries {
			if b.view(t, d.Delivery).Delivery.State != s {
				return false
			}
		}
		return true
	}
}

func TestHandle(t *testing.T) {
	t.Parallel()

	t.Run("DeliversWhatAHintNamesAndRecordsIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		h := b.accept(t, 1, b.endpoint(t))
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		v := b.view(t, h.Deliveries[0].Delivery)
		require.Equal(t, webhook.StateSucceeded, v.Delivery.State)
		require.Len(t, v.Attempts, 1)
		require.Equal(t, webhook.OutcomeSuccess, v.Attempts[0].Outcome)
		require.Equal(t, 1, b.posts())
		require.Empty(t, b.hinted)
	})

	t.Run("TheTimeToItsSuccessIsMeasuredFromWhenItWasMade", func(t *testing.T) {
		t.Parallel()
		registry := prometheus.NewRegistry()
		b := setup(t, func(c *attempt.Config) { c.Metrics = attempt.NewMetrics(registry) })
		b.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		failing, fine := b.accept(t, 1, b.endpoint(t)), b.accept(t, 1, b.endpoint(t))
		require.NoError(t, b.deliverer.Handle(t.Context(), failing))
		b.answer(nil)
		b.clock.pass(3 * time.Second)
		require.NoError(t, b.deliverer.Handle(t.Context(), fine))
		count, sum := histogramOf(t, registry, "homing_deliver_delivery_seconds")
		require.EqualValues(t, 1, count, "failures do not count")
		require.InDelta(t, 3, sum, 0.1)
	})

	t.Run("ARepeatedHintSendsNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		h := b.accept(t, 1, b.endpoint(t))
		h.Deliveries = append(h.Deliveries, h.Deliveries[0])
		for range 3 {
			require.NoError(t, b.deliverer.Handle(t.Context(), h))
		}
		require.Equal(t, 1, b.posts())
	})

	t.Run("TheAttemptIsOnRecordBeforeItLeaves", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		h := b.accept(t, 1, b.endpoint(t))
		var seen webhook.Delivery
		b.answer(func(http.ResponseWriter, *http.Request) { seen = b.view(t, h.Deliveries[0].Delivery).Delivery })
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		require.Equal(t, webhook.StateAttempting, seen.State)
		require.Equal(t, 1, seen.Attempt)
		require.True(t, seen.LeaseUntil.After(b.clock.Now()))
	})

	t.Run("AFailureIsScheduledAgainAndItsTimerAskedFor", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		h := b.accept(t, 1, b.endpoint(t))
		b.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		d := b.view(t, h.Deliveries[0].Delivery).Delivery
		require.Equal(t, webhook.StateScheduled, d.State)
		require.GreaterOrEqual(t, d.DueAt.Sub(b.clock.Now()), 5*time.Second)
		require.Equal(t, []wire.Due{{Delivery: d.ID, Endpoint: d.Endpoint, Attempt: 1, Due: d.DueAt}}, b.hinted)

		again := wire.Hint{Type: wire.TypeDue, Deliveries: b.hinted}
		require.NoError(t, b.deliverer.Handle(t.Context(), again))
		require.Equal(t, 1, b.posts(), "not before it is due")
		b.clock.pass(10 * time.Second)
		b.answer(nil)
		require.NoError(t, b.deliverer.Handle(t.Context(), again))
		require.Equal(t, 2, b.posts())
		require.Equal(t, webhook.StateSucceeded, b.view(t, d.ID).Delivery.State)
	})

	t.Run("GoneDisablesTheEndpointAndEndsTheDelivery", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t)
		h := b.accept(t, 1, e)
		b.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		v := b.view(t, h.Deliveries[0].Delivery)
		require.Equal(t, webhook.StateExhausted, v.Delivery.State)
		require.Equal(t, webhook.ReasonGone, v.Delivery.Reason)
		got, err := b.store.Endpoint(t.Context(), "acme", e.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.EndpointDisabled, got.Status)
	})

	t.Run("RetryAfterHoldsTheWholeEndpoint", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t)
		first, second := b.accept(t, 1, e), b.accept(t, 1, e)
		b.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		require.NoError(t, b.deliverer.Handle(t.Context(), first))
		require.NoError(t, b.deliverer.Handle(t.Context(), second))
		require.Equal(t, 1, b.posts(), "the other delivery is held too")
		require.NotEmpty(t, b.endpoints)
		require.Equal(t, e.ID, b.endpoints[0].Endpoint)
		b.answer(nil)
		b.clock.pass(121 * time.Second)
		require.NoError(t, b.deliverer.Handle(t.Context(), wire.Hint{Type: wire.TypeDue, Endpoints: b.endpoints[:1]}))
		eventually(t, "both are pulled", func() bool {
			return b.view(t, second.Deliveries[0].Delivery).Delivery.State == webhook.StateSucceeded
		})
	})

	t.Run("APausedEndpointIsNotSentTo", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t)
		h := b.accept(t, 1, e)
		require.NoError(t, b.store.SetEndpointStatus(t.Context(), "acme", e.ID, webhook.EndpointPaused, ""))
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		require.Zero(t, b.posts())
		require.NoError(t, b.store.SetEndpointStatus(t.Context(), "acme", e.ID, webhook.EndpointActive, ""))
		work := wire.Hint{Type: wire.TypeDue, Endpoints: []wire.Endpoint{{Endpoint: e.ID}}}
		require.NoError(t, b.deliverer.Handle(t.Context(), work))
		eventually(t, "it is pulled after the resume", b.ended(t, h, webhook.StateSucceeded))
	})

	t.Run("ALargePayloadThatDidNotComeWithTheClaimIsFetched", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) { c.ClaimBytes = 1 })
		h := b.accept(t, 3, b.endpoint(t))
		for range 2 {
			require.NoError(t, b.deliverer.Handle(t.Context(), h))
		}
		eventually(t, "all are sent", b.ended(t, h, webhook.StateSucceeded))
		b.note(func() {
			for _, r := range b.received {
				require.EqualValues(t, len(`{"card":"4111-secret"}`), r.ContentLength)
			}
		})
	})
}

// TestAnErasedPayloadIsNotSent erases a payload between the claim and the reading of it.
// TestTheLogLineIsWhatTheIndexExpects holds the fields of the wide line to those that the log's index is made for.
func TestTheLogLineIsWhatTheIndexExpects(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "monitoring", "logs", "index-template.json"))
	require.NoError(t, err)
	var index struct {
		Template struct {
			Mappings struct {
				Properties map[string]struct {
					Type string `json:"type"`
				} `json:"properties"`
			} `json:"mappings"`
		} `json:"template"`
	}
	require.NoError(t, json.Unmarshal(text, &index))
	// Of the pipeline, of any line, and of faults of the store.
	types := map[string]string{"@timestamp": "date", "time": "date", "error": "text"}
	b := setup(t)
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		b.answer(answer)
		require.NoError(t, b.deliverer.Handle(t.Context(), b.accept(t, 1, b.endpoint(t))))
	}
	for line := range strings.Lines(b.log.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		require.Equal(t, "attempt", fields["msg"])
		for name, value := range fields {
			have := index.Template.Mappings.Properties[name].Type
			types[name] = have
			switch value.(type) {
			case float64:
				require.Contains(t, []string{"integer", "long"}, have, name)
			case bool:
				require.Equal(t, "boolean", have, name)
			case string:
				require.Contains(t, []string{"keyword", "text", "date"}, have, name)
			default:
				require.Fail(t, "a field of no simple type", name)
			}
		}
	}
	want := make(map[string]string)
	for name, p := range index.Template.Mappings.Properties {
		want[name] = p.Type
	}
	require.Equal(t, want, types)
}

func TestAnErasedPayloadIsNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *attempt.Config) { c.ClaimBytes = 1 })
	h := b.accept(t, 1, b.endpoint(t))
	d := b.view(t, h.Deliveries[0].Delivery).Delivery
	b.note(func() {
		b.hook = func(op string, p memory.Phase) error {
			if op != "event" || p != memory.Before {
				return nil
			}
			b.note(func() { b.hook = nil })
			_, err := b.store.ErasePayload(context.Background(), "acme", d.Event)
			return err
		}
	})
	require.NoError(t, b.deliverer.Handle(t.Context(), h))
	eventually(t, "it is on record", func() bool {
		attempts := b.view(t, d.ID).Attempts
		return len(attempts) > 0 && attempts[0].Detail != ""
	})
	require.Zero(t, b.posts(), "not even an empty body")
	view := b.view(t, d.ID)
	require.Equal(t, webhook.StateCancelled, view.Delivery.State)
	require.Equal(t, webhook.ReasonErased, view.Delivery.Reason)
	require.Len(t, view.Attempts, 1)
	require.Equal(t, "the payload was erased", view.Attempts[0].Detail)
}

func TestSharesHold(t *testing.T) {
	t.Parallel()

	t.Run("AHangingEndpointTakesNoSlotOfAnother", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 8, TenantShare: 1, HostShare: 1}
			c.HoldBudget = time.Millisecond
		})
		release := make(chan struct{})
		b.answer(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hang" {
				<-release
			}
		})
		hanging := b.endpoint(t, func(e *webhook.Endpoint) { e.URL += "/hang" })
		healthy := b.endpoint(t)
		stuck, fine := b.accept(t, 50, hanging), b.accept(t, 50, healthy)
		require.NoError(t, b.deliverer.Handle(t.Context(), stuck))
		eventually(t, "the hanging one has its share", func() bool { return b.posts() == 2 })
		require.NoError(t, b.deliverer.Handle(t.Context(), fine))
		eventually(t, "the healthy one gets everything", b.ended(t, fine, webhook.StateSucceeded))
		require.Equal(t, 2+50, b.posts(), "a quarter of the slots is all that hangs")
		close(release)
		eventually(t, "then the backlog is pulled", b.ended(t, stuck, webhook.StateSucceeded))
		require.Equal(t, 100, b.posts())
	})

	t.Run("ARateLimitIsKept", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t, func(e *webhook.Endpoint) { e.RatePerSecond = 5 })
		h := b.accept(t, 40, e)
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		eventually(t, "a burst passes", func() bool { return b.posts() >= 5 })
		// The store's clock stands still, and so does the gate: one learning attempt, and one second's worth.
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		require.LessOrEqual(t, b.posts(), 1+5)
	})

	t.Run("AFullProcessSaysSo", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 1, EndpointShare: 1, TenantShare: 1, HostShare: 1}
			c.HoldBudget = time.Millisecond
		})
		release := make(chan struct{})
		b.answer(func(http.ResponseWriter, *http.Request) { <-release })
		h := b.accept(t, 2, b.endpoint(t))
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		eventually(t, "the slot is taken", func() bool { return b.posts() == 1 })
		full := b.deliverer.Handle(t.Context(), h)
		require.ErrorIs(t, full, attempt.ErrFull)
		require.ErrorIs(t, full, bus.ErrBusy, "which is answered with 429")
		close(release)
		eventually(t, "what was refused is pulled all the same", b.ended(t, h, webhook.StateSucceeded))
	})
}

func TestRecording(t *testing.T) {
	t.Parallel()

	t.Run("AnOutcomeIsRecordedWhenTheStoreIsBack", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		h := b.accept(t, 1, b.endpoint(t))
		b.answer(func(http.ResponseWriter, *http.Request) { b.store.SetUnavailable(true) })
		tried := make(chan struct{}, 100)
		b.note(func() {
			b.hook = func(op string, p memory.Phase) error {
				if op == "record" && p == memory.Before {
					tried <- struct{}{}
				}
				return nil
			}
		})
		done := make(chan error, 1)
		go func() { done <- b.deliverer.Handle(t.Context(), h) }()
		<-tried
		b.store.SetUnavailable(false)
		require.NoError(t, <-done)
		eventually(t, "it is recorded", b.ended(t, h, webhook.StateSucceeded))
		require.Equal(t, 1, b.posts(), "and not sent again")
	})

	t.Run("ASlotIsFreeWhenItsPOSTIsAnswered", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 1, EndpointShare: 1, TenantShare: 1, HostShare: 1}
			c.HoldBudget = time.Millisecond
		})
		h := b.accept(t, 4, b.endpoint(t))
		recording := make(chan struct{})
		goOn := sync.OnceFunc(func() { close(recording) })
		defer goOn()
		b.note(func() {
			b.hook = func(op string, p memory.Phase) error {
				if op == "record" && p == memory.Before {
					<-recording
				}
				return nil
			}
		})
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		eventually(t, "the next is sent before the first is recorded", func() bool { return b.posts() == 2 })
		require.Equal(t, webhook.StateAttempting, b.view(t, h.Deliveries[0].Delivery).Delivery.State)
		for range 1000 { // pulling finds no slot, as long as it looks
			require.Equal(t, []bool{false}, b.deliverer.Reserve([]webhook.ID{h.Deliveries[0].Endpoint}))
		}
		require.Equal(t, 2, b.posts(), "no more outcomes wait for the store than there are slots")
		goOn()
		eventually(t, "all are recorded", b.ended(t, h, webhook.StateSucceeded))
		require.Equal(t, 4, b.posts())
	})

	t.Run("AClaimThatFailsFreesItsSlots", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) { c.Slots.Total = 4 })
		h := b.accept(t, 1, b.endpoint(t))
		b.store.SetUnavailable(true)
		for range 20 {
			require.ErrorIs(t, b.deliverer.Handle(t.Context(), h), store.ErrUnavailable)
		}
		b.store.SetUnavailable(false)
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		require.Equal(t, 1, b.posts())
	})

	t.Run("NoPayloadOrSecretIsLogged", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := b.endpoint(t, func(e *webhook.Endpoint) {
			e.URL += "/hook?token=query-secret"
			e.Headers = map[string]string{"Authorization": "Bearer header-secret"}
		})
		b.answer(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte("answer-secret"))
		})
		require.NoError(t, b.deliverer.Handle(t.Context(), b.accept(t, 1, e)))
		eventually(t, "the wide line is written", func() bool { return len(b.log.String()) > 0 })
		require.Contains(t, b.log.String(), `"outcome":"client_error"`)
		require.NotContains(t, b.log.String(), "secret")
	})
}

func TestClose(t *testing.T) {
	t.Parallel()

	t.Run("WaitsForWhatIsInFlightAndHandsOverTheRest", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) {
			c.Slots = attempt.SlotConfig{Total: 8, TenantShare: 1, HostShare: 1}
			c.HoldBudget = time.Millisecond
		})
		arrived, release := make(chan struct{}, 10), make(chan struct{})
		b.answer(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-release
		})
		e := b.endpoint(t)
		h := b.accept(t, 10, e)
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		<-arrived
		<-arrived
		closed := make(chan error, 1)
		go func() { closed <- b.deliverer.Close(t.Context()) }()
		eventually(t, "new hints are refused", func() bool {
			return b.deliverer.Handle(t.Context(), h) == attempt.ErrClosing //nolint:errorlint // the very value
		})
		close(release)
		require.NoError(t, <-closed)
		succeeded := 0
		for _, d := range h.Deliveries {
			if b.view(t, d.Delivery).Delivery.State == webhook.StateSucceeded {
				succeeded++
			}
		}
		require.Equal(t, 2, succeeded, "both in flight are recorded")
		require.Equal(t, 2, b.posts())
		require.Len(t, b.handed, 1)
		require.Equal(t, e.ID, b.handed[0].Endpoint)
	})

	t.Run("CutsWhatDoesNotEndInTime", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(c *attempt.Config) { c.HoldBudget = time.Millisecond })
		release := make(chan struct{})
		defer close(release)
		arrived := make(chan struct{}, 1)
		b.answer(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-release
		})
		h := b.accept(t, 1, b.endpoint(t))
		require.NoError(t, b.deliverer.Handle(t.Context(), h))
		<-arrived
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, b.deliverer.Close(ctx), context.Canceled)
		d := b.view(t, h.Deliveries[0].Delivery)
		require.Equal(t, webhook.StateScheduled, d.Delivery.State, "it is sent again, by another process")
		require.Equal(t, 1, d.Delivery.Interruptions)
		require.Equal(t, webhook.OutcomeInterrupted, d.Attempts[0].Outcome)
	})
}
