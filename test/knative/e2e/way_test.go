//go:build e2e

package e2e_test

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// testWay sends events by both ways to an endpoint that takes them at once, and to one that fails first.
func (c *cluster) testWay() {
	const n = 100
	quick := c.subscribe("way-quick", "way", hook{})
	flaky := c.subscribe("way-flaky", "way", hook{Fail: 1}, "0s", "3s")
	direct := c.direct(order{Type: "way", Prefix: "way-direct", Count: n, Over: "5s"})
	brokered := c.brokered(order{Type: "way", Prefix: "way-brokered", Count: n, Over: "5s"})
	b := c.settle(patience, []endpoint{quick, flaky}, direct, brokered)
	failed := 0
	for _, p := range c.agent.all(c.t) {
		if p.Hook == flaky.name && p.Attempt == 1 {
			require.Equal(c.t, 503, p.Status)
			failed++
		}
	}
	require.GreaterOrEqual(c.t, failed, 2*n, "each delivery to the failing endpoint has failed once")
	c.report.section("The whole way")
	c.report.printf("%d events to the public face and %d to the broker, to an endpoint that answers at once and to one "+
		"that fails the first attempt of each. Each POST was verified with the reference library of Standard "+
		"Webhooks.\n\n", n, n)
	c.report.table(
		[]string{"way", "accepted, p50 / p99", "accepted to delivered, p50 / p99"},
		c.row("public face", b, quick, direct), c.row("broker", b, quick, brokered))
	c.report.printf("\n%s The failing endpoint got %d POSTs of first attempts, and each delivery by a later one.\n",
		b.sum(), failed)
}

// row tells how long it took to accept events, and from then on to deliver them.
func (c *cluster) row(name string, b books, to endpoint, s sent) []string {
	accept, deliver := b.times(to, s)
	return []string{
		name, seconds(quantile(accept, 0.5)) + " / " + seconds(quantile(accept, 0.99)),
		seconds(quantile(deliver, 0.5)) + " / " + seconds(quantile(deliver, 0.99)),
	}
}

// times are how long it took to accept each event, and from then on to deliver it.
func (b books) times(to endpoint, s sent) (accept, deliver []time.Duration) {
	for _, a := range s.Accepted {
		accept = append(accept, a.Taken.Sub(a.Sent))
		deliver = append(deliver, max(b.first[webhook.MessageID(b.events[a.ID], to.id)].Sub(a.Taken), 0))
	}
	return accept, deliver
}

// sum is the books in a sentence.
func (b books) sum() string {
	return fmt.Sprintf("%d events accepted, %d deliveries: **%d lost**, %d duplicates (the records explain up to %d).",
		b.accepted, b.expected, b.lost, b.duplicates, b.bound)
}
