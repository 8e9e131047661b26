package acceptance_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/clock"
	"github.com/homing-hooks/homing/pkg/config"
)

// TestClocksThatAreWrong runs the functions on machines whose clocks differ. Each corrects its own by the database's:
// signatures carry the right time (the receiver's library refuses five minutes), no retry comes before its time or
// waits for the reconciler, and nothing is lost. Beyond a minute a process says besides that it is not ready.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ALittle": 40 * time.Second, "FiveMinutes": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, allServices, reconcilerOff...)
			e := h.Subscribe("flaky", failing(2, http.StatusInternalServerError))
			fast := func() time.Time { return time.Now().Add(off) }
			slow := func() time.Time { return time.Now().Add(-off) }
			ingest := h.StartAt(fast, config.FunctionIngest)
			deliver := h.StartAt(slow, config.FunctionDeliver)
			retry := h.StartAt(fast, config.FunctionRetry)
			want := http.StatusOK
			if off > clock.MaxOffset {
				want = http.StatusServiceUnavailable
			}
			for _, p := range []*process{ingest, deliver, retry} {
				status, answer := p.Ready()
				require.Equal(t, want, status, "%s", answer)
			}
			p := h.Producer(ingest)
			p.Send(orders("skewed", retried)...)

			require.Equal(t, balance{Expected: retried}, h.Settle(p))
			requireSchedule(t, h.Receiver.All(e), 200*time.Millisecond, 400*time.Millisecond)
			require.Zero(t, retry.Metric("homing_retry_reconciled_total"))
			const wrong = `SELECT count(*) FROM events WHERE abs(extract(epoch FROM accepted_at) * 1000
				- ('x' || left(translate(id::text, '-', ''), 12))::bit(48)::bigint) > 10000`
			require.Zero(t, h.Count(wrong), "ids, by which events are partitioned, are of the database's time")
		})
	}
}
