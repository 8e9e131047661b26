//go:build e2e

package e2e_test

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// What a burst is, and what must become of it.
const (
	burstEvents    = 5000
	burstOver      = 5 * time.Second
	burstDelivered = 30 * time.Second  // from the last event sent to the last one delivered
	burstReplicas  = 3                 // of deliver, at least, at its peak
	burstZero      = 120 * time.Second // from the last delivery until there is no pod of it
)

// burst is one of them.
type burst struct {
	name            string
	accept, deliver []time.Duration
	late            time.Duration // from the last event sent to the last one delivered
	rate            float64       // delivered a second, from the first to the last
	peak            map[string]int
	zero            time.Duration
	began           time.Time
	arrivals        []time.Time
}

// testBurst sends bursts from zero, three directly and one through the broker.
func (c *cluster) testBurst() {
	var bursts []burst
	for i := range 4 {
		if i < 3 {
			bursts = append(bursts, c.burst(fmt.Sprintf("public face, %d", i+1), fmt.Sprintf("burst-%d", i), c.direct))
		} else {
			bursts = append(bursts, c.burst("broker", "burst-brokered", c.brokered))
		}
	}
	c.report.section("Bursts from zero")
	c.report.printf("%d events in %s while no function has a pod: each time all were accepted, and all were delivered. "+
		"`dev` allows 2 pods of ingest, 1 of ingest-broker and 4 of deliver.\n\n", burstEvents, burstOver)
	rows := [][]string{{
		"burst", "accepted, p50 / p99", "accepted to delivered, p50 / p99", "delivered/s", "last delivered after last sent",
		"peak replicas", "zero after",
	}}
	for _, b := range bursts {
		rows = append(rows, []string{
			b.name, seconds(quantile(b.accept, 0.5)) + " / " + seconds(quantile(b.accept, 0.99)),
			seconds(quantile(b.deliver, 0.5)) + " / " + seconds(quantile(b.deliver, 0.99)),
			fmt.Sprintf("%.0f", b.rate), seconds(b.late),
			fmt.Sprintf("ingest %d, ingest-broker %d, deliver %d", b.peak["ingest"], b.peak["ingest-broker"], b.peak["deliver"]),
			seconds(b.zero),
		})
	}
	c.report.table(rows...)
	c.report.printf("\nThe first of them, replicas over time:\n\n" +
		"![Replicas over time](knative-burst.svg)\n")
	c.report.plot(c.t, "knative-burst.svg", c.plotted(bursts[0]))
}

func (c *cluster) burst(name, eventType string, send func(order) sent) burst {
	c.t.Helper()
	to := c.subscribe(eventType, eventType, hook{})
	c.zero(5*time.Minute, "ingest", "ingest-broker", "deliver")
	s := send(order{Type: eventType, Prefix: eventType, Count: burstEvents, Over: burstOver.String()})
	books := c.settle(patience, []endpoint{to}, s)
	require.Equal(c.t, burstEvents, books.accepted)
	b := burst{name: name, peak: make(map[string]int), began: s.Began}
	b.accept, b.deliver = books.times(to, s)
	first, last := s.Ended.Add(time.Hour), s.Began
	for _, a := range s.Accepted {
		at := books.first[webhook.MessageID(books.events[a.ID], to.id)]
		b.arrivals = append(b.arrivals, at)
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	b.late, b.rate = last.Sub(s.LastSent), burstEvents/last.Sub(first).Seconds()
	require.LessOrEqual(c.t, b.late, burstDelivered, "%s: the last delivery came too late", name)
	for _, service := range services {
		b.peak[service] = c.pods.peak(service, s.Began, last.Add(10*time.Second))
	}
	most, err := strconv.Atoi(c.kubectl("get", "ksvc", "deliver", "-n", namespace,
		"-o", `jsonpath={.spec.template.metadata.annotations.autoscaling\.knative\.dev/max-scale}`))
	require.NoError(c.t, err)
	require.GreaterOrEqual(c.t, b.peak["deliver"], burstReplicas, "%s: replicas of deliver", name)
	require.LessOrEqual(c.t, b.peak["deliver"], most, "%s: replicas of deliver", name)
	for _, at := range c.zero(5*time.Minute, "ingest", "ingest-broker", "deliver") {
		b.zero = max(b.zero, at.Sub(last))
	}
	require.LessOrEqual(c.t, b.zero, burstZero, "%s: it took too long to zero", name)
	c.t.Logf("%s: %.0f/s, last %s after, peak %v, zero after %s", name, b.rate, b.late, b.peak, b.zero)
	return b
}

// plotted is replicas over time, and what arrived in each second.
func (c *cluster) plotted(b burst) string {
	curves := []curve{
		{name: "ingest", colour: "#1b6ca8"}, {name: "deliver", colour: "#c0392b"}, {name: "retry", colour: "#7d8a2e"},
		{name: "delivered/s ÷ 500", colour: "#999"},
	}
	end := b.began.Add(b.zero + burstOver + b.late + 10*time.Second)
	for at := b.began; at.Before(end); at = at.Add(500 * time.Millisecond) {
		for i := range 3 {
			curves[i].points = append(curves[i].points,
				point{at.Sub(b.began), float64(c.pods.replicas(curves[i].name, at))})
		}
		n := 0
		for _, a := range b.arrivals {
			if !a.Before(at) && a.Before(at.Add(500*time.Millisecond)) {
				n++
			}
		}
		curves[3].points = append(curves[3].points, point{at.Sub(b.began), float64(n) * 2 / 500})
	}
	return drawn(fmt.Sprintf("%d events in %s from zero: replicas", burstEvents, burstOver), curves)
}
