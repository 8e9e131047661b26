//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

// ticking is a way to wake retry.
type ticking struct {
	name, schedule string // of the PingSource
	tick           time.Duration
	idle           time.Duration // how long to look on while nothing happens
	// queues has a hint for deliver in a queue of RabbitMQ's for each timer, which dead-letters it to the broker's
	// exchange when it is due.
	queues bool
}

var tickings = []ticking{
	{name: "60 s", schedule: "* * * * *", tick: 60 * time.Second, idle: 3 * time.Minute},
	{name: "120 s", schedule: "*/2 * * * *", tick: 120 * time.Second, idle: 4 * time.Minute},
	{name: "240 s", schedule: "*/4 * * * *", tick: 240 * time.Second, idle: 4 * time.Minute},
	{name: "240 s, and queues that dead-letter", schedule: "*/4 * * * *", tick: 240 * time.Second, queues: true},
}

// waits are the schedules of the endpoints whose second attempts are timed.
var waits = []string{"20s", "35s", "45s", "55s", "70s", "90s", "120s"}

// ticked is what was seen with one.
type ticked struct {
	ticking
	podSeconds float64 // of retry in an hour of nothing; 0 when nobody looked
	late       []time.Duration
}

// testTicks times second attempts while retry scales to zero between ticks, and counts its pods' seconds while nothing
// happens.
func (c *cluster) testTicks() {
	var all []ticked
	for i, how := range tickings {
		c.t.Run(how.name, func(t *testing.T) {
			in := *c
			in.t = t
			all = append(all, in.ticked(how, "ticks-"+strconv.Itoa(i)))
		})
	}
	c.report.section("Timers while retry is at zero")
	c.report.printf("%d first attempts failed, 3 to each of %d endpoints, 20 s apart; their second attempts were due "+
		"after %s (and up to a fifth more), which is longer than a pod of retry lives on. How much later than due they "+
		"arrived, deliver's own start from zero included where it had gone too; and how long pods of retry are there "+
		"while nothing happens. The last row has no part of Homing's in it: the test put each hint into a queue that dead-letters it into "+
		"the broker's exchange when it is due.\n\n", 3*len(waits), len(waits), strings.Join(waits, ", "))
	rows := [][]string{{"tick", "late: p50", "p99 (the most)", "by more than 2 s", "idle pod-seconds per hour"}}
	for _, s := range all {
		beyond := 0
		for _, late := range s.late {
			if late > 2*time.Second {
				beyond++
			}
		}
		idle := "as above"
		if s.podSeconds > 0 {
			idle = fmt.Sprintf("%.0f", s.podSeconds)
		}
		rows = append(rows, []string{
			s.name, seconds(quantile(s.late, 0.5)), seconds(quantile(s.late, 0.99)),
			fmt.Sprintf("%d of %d", beyond, len(s.late)), idle,
		})
	}
	c.report.table(rows...)
	c.make("deploy") // as it was
}

// ticked looks on while nothing happens, and then times second attempts.
func (c *cluster) ticked(how ticking, eventType string) ticked {
	c.tick(how)
	seen := ticked{ticking: how}
	if how.idle > 0 {
		c.zero(5*time.Minute, "deliver", "ingest")
		from := time.Now()
		c.pause(how.idle)
		seen.podSeconds = c.pods.seconds("retry", from, time.Now()) * float64(time.Hour) / float64(time.Since(from))
	}
	seen.late = c.lateness(how, eventType)
	c.t.Logf("%s: idle %.0f pod-seconds an hour, late %s, most %s", how.name, seen.podSeconds, quantile(seen.late, 0.5),
		quantile(seen.late, 1))
	return seen
}

// tick changes the tick, where it is said twice.
func (c *cluster) tick(how ticking) {
	c.t.Helper()
	c.kubectl("patch", "pingsource", "tick", "-n", namespace, "--type", "merge",
		"-p", fmt.Sprintf(`{"spec":{"schedule":%q}}`, how.schedule))
	grace := 30*time.Second + 2*how.tick + 25*time.Second
	c.run(nil, "kn", "service", "update", "retry", "-n", namespace, "--env", "HOMING_TICK="+how.tick.String(),
		"--timeout", strconv.Itoa(int(grace.Seconds())), "--wait")
	c.kubectl("wait", "-n", namespace, "pingsource/tick", "--for=condition=Ready", "--timeout=60s")
}

// lateness times second attempts.
func (c *cluster) lateness(how ticking, eventType string) (late []time.Duration) {
	c.t.Helper()
	endpoints := make([]endpoint, len(waits))
	for i, wait := range waits {
		endpoints[i] = c.subscribe(eventType+"-"+wait, eventType, hook{Fail: 1}, "0s", wait)
	}
	due := make(map[string]time.Time) // by webhook-id
	var all []sent
	for round := range 3 {
		all = append(all, c.direct(order{Type: eventType, Prefix: fmt.Sprintf("%s-%d", eventType, round), Count: 1}))
		again := time.Now().Add(20 * time.Second)
		c.wait(patience, "all first attempts have failed", func() bool {
			return len(c.scheduled(due, how.queues)) == (round+1)*len(waits)
		})
		c.pause(time.Until(again))
	}
	c.settle(10*time.Minute, endpoints, all...)
	require.Len(c.t, due, 3*len(waits))
	for _, p := range c.agent.all(c.t) {
		if at, timed := due[p.ID]; timed && p.Attempt == 2 {
			late = append(late, p.At.Sub(at))
		}
	}
	require.Len(c.t, late, 3*len(waits))
	return late
}

// scheduled adds the deliveries that wait for their second attempt, and when that is due.
func (c *cluster) scheduled(due map[string]time.Time, queue bool) map[string]time.Time {
	rows, err := c.sql.Query(c.t.Context(), `SELECT id, event_id, endpoint_id, due_at, attempt_no FROM deliveries
		WHERE tenant = $1 AND state = 'scheduled' AND attempt_no = 1`, c.tenant)
	require.NoError(c.t, err)
	var delivery, event, to [16]byte
	var at time.Time
	var attempt int
	_, err = pgx.ForEachRow(rows, []any{&delivery, &event, &to, &at, &attempt}, func() error {
		message := webhook.MessageID(event, to)
		if _, known := due[message]; known {
			return nil
		}
		due[message] = at
		if !queue {
			return nil
		}
		return c.queue(wire.Due{Delivery: delivery, Endpoint: to, Attempt: attempt, Due: at})
	})
	require.NoError(c.t, err)
	return due
}

// queue puts the hint that a delivery is due where RabbitMQ keeps it until then.
func (c *cluster) queue(d wire.Due) error {
	conn, err := amqp091.Dial(os.Getenv("RABBITMQ_URL"))
	if err != nil {
		return err
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	ttl := strconv.FormatInt(max(time.Until(d.Due).Milliseconds()+1, 0), 10)
	name := "homing.e2e." + d.Delivery.String()
	_, err = channel.QueueDeclare(name, true, false, false, false, amqp091.Table{
		"x-dead-letter-exchange": c.exchange(), "x-expires": (10 * time.Minute).Milliseconds(),
	})
	if err != nil {
		return err
	}
	var ids webhook.IDSource
	e, err := wire.Encode(&wire.Hint{Type: wire.TypeDue, Deliveries: []wire.Due{d}}, ids.New(time.Now()), time.Now())
	if err != nil {
		return err
	}
	return channel.PublishWithContext(context.Background(), "", name, false, false, amqp091.Publishing{
		Headers: amqp091.Table{
			"specversion": "1.0", "id": e.ID(), "type": e.Type(), "source": e.Source(), "content-type": e.DataContentType(),
			"time": e.Time().Format(time.RFC3339Nano), "partition": "0",
		},
		ContentType: e.DataContentType(), MessageId: e.ID(), DeliveryMode: amqp091.Persistent, Expiration: ttl,
		Body: e.Data(),
	})
}

// exchange is that of the broker deliveries.
func (c *cluster) exchange() string {
	var list struct {
		Items []struct {
			Spec struct {
				Name string `json:"name"`
			} `json:"spec"`
		} `json:"items"`
	}
	text := c.kubectl("get", "exchanges.rabbitmq.com", "-n", namespace, "-o", "json")
	require.NoError(c.t, json.Unmarshal([]byte(text), &list))
	for _, item := range list.Items {
		if strings.HasPrefix(item.Spec.Name, "b."+namespace+".deliveries.") && !strings.Contains(item.Spec.Name, ".dlx.") {
			return item.Spec.Name
		}
	}
	require.Fail(c.t, "no exchange of the broker deliveries")
	return ""
}
