package acceptance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/test/homingtest"
)

const retried = 25 // deliveries, each of which fails twice

// reconcilerOff makes ticks and grace so long that only timers bring anything back; and leases and the patience with
// Redis so long that a busy machine changes nothing.
var reconcilerOff = []string{
	"HOMING_LEASE_MARGIN=1m", "HOMING_REDIS_TIMEOUT=5s",
	"HOMING_TICK=1h", "HOMING_HORIZON=1h", "HOMING_WAKE_GRACE=1h", "HOMING_PUSH_CAP=1h", "HOMING_HOUSEKEEP_EVERY=1h",
}

// quick makes attempts and leases so short that the reconciler comes soon.
const quick = "HOMING_ATTEMPT_TIMEOUT=1s"

func TestTimersAloneBringEveryRetry(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]homingtest.Services{"InMemory": postgresAlone, "InRedis": withRedis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, s, reconcilerOff...)
			e := h.Subscribe("flaky", failing(2, http.StatusInternalServerError))
			all := h.Start()
			p := h.Producer(all)
			p.Send(orders("retried", retried)...)

			require.Equal(t, balance{Expected: retried}, h.Settle(p))
			requireSchedule(t, h.Receiver.All(e), 200*time.Millisecond, 400*time.Millisecond)
			fired := all.Metric("homing_retry_timers_fired_total")
			require.GreaterOrEqual(t, fired, 2*retried)
			// One that fires before the database agrees that it is time is set again, which is right, and must be rare.
			require.LessOrEqual(t, fired, 2*retried+retried/5, "timers are early")
			require.Equal(t, fired, all.Metric("homing_retry_timer_lateness_seconds"), "how late each was is known")
			require.Zero(t, all.Metric("homing_retry_reconciled_total"))
		})
	}
}

// requireSchedule checks that each delivery was attempted three times, the second and third not before their time.
func requireSchedule(t testing.TB, posts []*post, waits ...time.Duration) {
	t.Helper()
	require.Len(t, posts, (len(waits)+1)*retried)
	last := make(map[string]*post)
	worst := time.Duration(0)
	for _, p := range posts {
		if before := last[p.ID]; before != nil {
			due := before.At.Add(waits[p.Attempt-2])
			require.False(t, p.At.Before(due), "attempt %d came %s early", p.Attempt, due.Sub(p.At))
			worst = max(worst, p.At.Sub(due))
		}
		require.Equal(t, p.Before+1, p.Attempt)
		last[p.ID] = p
	}
	t.Logf("the latest retry came %s after its time, of which up to a fifth of the wait is jitter", worst)
}

// TestARetryRepeatsTheRequest has the first attempt begin with the acceptance, with what the producer sent still in
// memory, and later ones read it from the database: nobody can tell them apart.
func TestARetryRepeatsTheRequest(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone)
	endpoints := make([]*endpoint, 0, 3)
	for _, f := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		endpoints = append(endpoints, h.Subscribe(string(f), failing(1, http.StatusInternalServerError), func(e *endpoint) {
			e.Format = f
		}))
	}
	all := h.Start()
	p := h.Producer(all)
	p.Send(orders("known", 1)...) // deliver knows the endpoints from here on
	h.Settle(p)
	p.SendAs(binary, &cloudEvent{
		ID: "told", EventType: "order.paid", Subject: "f%C3%BCr/1", Data: `{"total": 1.10,  "nul": "\u0000"}`,
		Header: map[string]string{
			"Ce-Time": "2026-03-29T01:59:59.123456789+02:00", "Ce-Dataschema": "https://shop.example/order", "Ce-Region": "eu",
			"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Tracestate": "vendor=1",
		},
	})
	h.Settle(p)
	require.Equal(t, len(endpoints), all.Metric("homing_deliver_claims_total", "by", "accept"))
	for _, e := range endpoints {
		posts := h.Receiver.All(e)
		first, again := posts[len(posts)-2], posts[len(posts)-1]
		require.Equal(t, []int{1, 2}, []int{first.Attempt, again.Attempt})
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, string(first.Body), string(again.Body))
		for _, differs := range []string{"Webhook-Timestamp", "Webhook-Signature", "Homing-Attempt"} {
			first.Header.Del(differs)
			again.Header.Del(differs)
		}
		require.Equal(t, first.Header, again.Header)
	}
}

func TestTheReconcilerAloneBringsEveryRetry(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick, "REDIS_URL=redis://"+nobody+"/0")
	e := h.Subscribe("flaky", failing(2, http.StatusInternalServerError))
	all := h.Start()
	p := h.Producer(all)
	p.Send(orders("retried", retried)...)

	require.Equal(t, balance{Expected: retried}, h.Settle(p))
	requireSchedule(t, h.Receiver.All(e), 200*time.Millisecond, 400*time.Millisecond)
	require.Zero(t, all.Metric("homing_retry_timers_fired_total"))
	require.Equal(t, 2*retried, all.Metric("homing_retry_timers_lost_total"))
	// Not all need be named: what finds no slot is pulled with the rest of its endpoint's.
	require.Positive(t, all.Metric("homing_retry_reconciled_total", "action", "hint"))
}

// TestARetryThatRestartsForgetsNothing: the timers in its memory go with it.
func TestARetryThatRestartsForgetsNothing(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick, "REDIS_URL=", "HOMING_SCHEDULE=0s,1h", "HOMING_HORIZON=2h")
	e := h.Subscribe("flaky", failing(1, http.StatusInternalServerError))
	others := h.Start(config.FunctionIngest, config.FunctionDeliver)
	retry := h.Start(config.FunctionRetry)
	p := h.Producer(others)
	p.SendAs(batched, orders("retried", retried)...)
	wait(t, patience, "every timer is set", func() bool {
		return retry.Metric("homing_retry_timers_set_total") == retried
	})
	retry.Stop()
	require.Len(t, h.Receiver.All(e), retried, "no timer has fired yet")

	const hourLater = `UPDATE deliveries SET due_at = clock_timestamp(), wake_at = clock_timestamp()
		WHERE state = 'scheduled'`
	_, err := h.SQL.Exec(t.Context(), hourLater)
	require.NoError(t, err)
	again := h.Start(config.FunctionRetry)
	require.Equal(t, balance{Expected: retried}, h.Settle(p))
	require.Zero(t, again.Metric("homing_retry_timers_fired_total"))
}

func TestExhaustedDeliveriesAreVisibleAndReplayable(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	e := h.Subscribe("broken", func(*post) reply { return reply{Status: http.StatusTeapot, Body: "short and stout"} })
	p := h.Producer(h.Start())
	sent := p.Send(orders("doomed", 1)...)[0]

	var doomed webhook.Delivery
	wait(t, patience, "the schedule is used up", func() bool {
		all := h.list(e, webhook.StateExhausted)
		if len(all) == 1 {
			doomed = all[0]
		}
		return len(all) == 1
	})
	require.Equal(t, webhook.ReasonSchedule, doomed.Reason)
	require.Equal(t, 3, doomed.Attempt)
	view, err := h.Store.Delivery(t.Context(), h.Tenant, doomed.ID)
	require.NoError(t, err)
	require.Len(t, view.Attempts, 3)
	for _, a := range view.Attempts {
		require.Equal(t, webhook.OutcomeClientError, a.Outcome)
		require.Equal(t, http.StatusTeapot, a.Status)
		require.Equal(t, "short and stout", string(a.ResponseBody))
	}

	h.Receiver.Change(e.Name, failing(0, 0))
	due, err := h.Store.RetryNow(t.Context(), h.Tenant, doomed.ID, &h.IDs)
	require.NoError(t, err)
	require.NotEqual(t, doomed.ID, due.Delivery)
	replay := h.Receiver.Wait(e, 4)[3]
	require.Equal(t, due.Delivery.String(), replay.Replay, "it says that it is a replay, and which")
	require.Equal(t, webhook.MessageID(sent.ID, e.ID), replay.ID, "the same webhook-id as ever")
	require.Equal(t, `{"order":"doomed-0"}`, string(replay.Body))
	wait(t, patience, "the replay has succeeded", func() bool { return len(h.list(e, webhook.StateSucceeded)) == 1 })
	require.Len(t, h.list(e, webhook.StateExhausted), 1, "the first stays as it ended")
	h.CheckInvariants()
}

// list returns the deliveries to an endpoint in a state.
func (h *installation) list(e *endpoint, s webhook.State) []webhook.Delivery {
	h.T.Helper()
	all, err := h.Store.Deliveries(h.T.Context(), deliveriesOf(h.Tenant, e.ID, s))
	require.NoError(h.T, err)
	return all
}
