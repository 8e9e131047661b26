//go:build faults

package dataplane_test

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	amqp091 "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/test/homingtest"
)

// What goes through each storm.
const direct, brokered = 800, 400

// storm is something that breaks while events are under way.
type storm struct {
	on     func(t testing.TB) on
	breaks func(p *plane, tr *homingtest.Traffic)
	// after, when not nil, checks more than the books.
	after func(p *plane, l homingtest.Ledger)
}

// shared is a plane on the shared services.
func shared(testing.TB) on { return on{} }

var storms = map[string]storm{
	"DispatchersKilled": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		for name, pod := range p.pods {
			if name != "events-broker-ingress" && name != "deliveries-broker-ingress" {
				pod.signal(syscall.SIGKILL)
			}
		}
	}},
	"IngressesKilled": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		p.pods["events-broker-ingress"].signal(syscall.SIGKILL)
		p.pods["deliveries-broker-ingress"].signal(syscall.SIGKILL)
	}},
	"EachFunctionKilled": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		for _, service := range []string{"ingest", "ingest-broker", "deliver", "retry"} {
			p.kill(service)
		}
	}},
	"DeliverKilledWithAHundredHints": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		p.routes["deliver"].slow(5 * time.Second)
		p.waitForInFlight("deliver")
		p.kill("deliver")
		p.routes["deliver"].slow(0)
	}},
	"FunctionsAnswerSlowly": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		const slow, during = 3 * time.Second, 10 * time.Second
		for _, r := range p.routes {
			r.slow(slow)
		}
		homingtest.Elapse(p.T, during)
		for _, r := range p.routes {
			r.slow(0)
		}
	}},
	"QueuesPurged": {
		on: shared,
		breaks: func(p *plane, tr *homingtest.Traffic) {
			// A dispatcher takes 100 messages off the queue at once, so only what waits behind those can be purged.
			takers := []*pod{p.pods["ingest-events-dispatcher"], p.pods["deliver-due-0-dispatcher"]}
			for _, taker := range takers {
				taker.send(syscall.SIGSTOP)
			}
			p.More(tr, "waiting", 80, brokered)
			tr.Work.Wait()
			events, hints := p.purge()
			for _, taker := range takers {
				taker.send(syscall.SIGCONT)
			}
			require.Positive(p.T, events)
			p.T.Logf("purged %d events and %d hints", events, hints)
			p.purged = events
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Equal(p.T, p.purged, l.Unstored.Lost, "what was purged is lost, and nothing else")
		},
	},
	"HintsGoNowhere": {on: shared, breaks: func(p *plane, tr *homingtest.Traffic) {
		// While it has work for an endpoint, deliver finds what is new by itself: so there is none.
		tr.Work.Wait()
		homingtest.Wait(p.T, homingtest.StormPatience, "all is delivered", func() bool { return p.UnderWay() == 0 })
		p.unbind("deliver-due-0")
		p.More(tr, "unhinted", 80, 80)
	}},
	"NoDeadLetters": {
		on: func(testing.TB) on { return on{change: withoutDeadLetters} },
		breaks: func(p *plane, tr *homingtest.Traffic) {
			p.routes["ingest-broker"].slow(2 * time.Second)
			p.More(tr, "more", 0, 2*brokered)
			p.waitForInFlight("ingest-broker")
			p.pods["ingest-events-dispatcher"].signal(syscall.SIGTERM)
			p.routes["ingest-broker"].slow(0)
			p.pods["deliver-due-0-dispatcher"].signal(syscall.SIGTERM)
		},
	},
	"RedisFlushed": {on: shared, breaks: func(p *plane, _ *homingtest.Traffic) {
		// The shared Redis is not ours to flush: the keys of this installation are all that there is of it.
		options, err := goredis.ParseURL(p.Settings["REDIS_URL"])
		require.NoError(p.T, err)
		redis := goredis.NewClient(options)
		defer redis.Close()
		for keys := redis.Scan(context.Background(), 0, p.Settings["HOMING_REDIS_PREFIX"]+"*", 0).Iterator(); ; {
			if !keys.Next(context.Background()) {
				require.NoError(p.T, keys.Err())
				return
			}
			require.NoError(p.T, redis.Del(context.Background(), keys.Val()).Err())
		}
	}},
	"FunctionsKilledTenTimes": {on: shared, breaks: func(p *plane, tr *homingtest.Traffic) {
		random, names := homingtest.Seeded(p.T), slices.Sorted(maps.Keys(services))
		for kill := range 10 {
			p.kill(names[random.IntN(len(names))])
			p.Halfway(tr, (direct+brokered)*(kill+4)/14)
		}
	}},
	"RedisStopped": {
		on: func(t testing.TB) on { return on{redis: testenv.OwnRedis(t)} },
		breaks: func(p *plane, tr *homingtest.Traffic) {
			const away = 10 * time.Second
			p.own.redis.Stop()
			p.More(tr, "meanwhile", 80, 80)
			homingtest.Elapse(p.T, away)
			p.own.redis.Start()
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Zero(p.T, l.Unstored.Lost)
			require.Positive(p.T, p.functions["retry"].Metric("homing_retry_timers_lost_total"))
		},
	},
	"RedisNeverThere": {
		on:     func(testing.TB) on { return on{settings: []string{"REDIS_URL=redis://" + homingtest.Nobody + "/0"}} },
		breaks: func(*plane, *homingtest.Traffic) {},
		after: func(p *plane, l homingtest.Ledger) {
			require.Zero(p.T, l.Unstored.Lost)
			require.Zero(p.T, p.functions["retry"].Metric("homing_retry_timers_fired_total"))
		},
	},
	"OnPostgresAlone": {
		on: func(t testing.TB) on { return on{redis: testenv.OwnRedis(t), rabbitMQ: testenv.OwnRabbitMQ(t)} },
		breaks: func(p *plane, tr *homingtest.Traffic) {
			for _, function := range p.functions {
				function.Kill()
			}
			p.WaitForBrokered(tr, brokered)
			p.purged = len(tr.Brokered()) - p.Count("SELECT count(*) FROM events WHERE ce_id LIKE '%-brokered-%'")
			p.own.redis.Wipe()
			p.own.rabbitMQ.Wipe()
			p.declare(p.T, p.rabbitMQ, p.management)
			p.grant()
			p.waitForDispatchers()
			for name := range services {
				p.run(name)
			}
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Equal(p.T, p.purged, l.Unstored.Lost, "what only the broker had is gone with it, and nothing else")
		},
	},
	"PostgresRestarted": {
		on: func(t testing.TB) on { return on{postgres: testenv.OwnPostgres(t)} },
		breaks: func(p *plane, _ *homingtest.Traffic) {
			for _, end := range []func(){p.own.postgres.Stop, p.own.postgres.Kill} {
				end()
				p.own.postgres.Start()
				p.SQL.Reset()
			}
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Zero(p.T, l.Unstored.Lost)
			require.Zero(p.T, p.Count("SELECT count(*) FROM rejected_events"))
		},
	},
	"PostgresAway": {
		on: func(t testing.TB) on { return on{postgres: testenv.OwnPostgres(t)} },
		breaks: func(p *plane, tr *homingtest.Traffic) {
			const away = 20 * time.Second
			p.own.postgres.Stop()
			p.More(tr, "meanwhile", 80, 200)
			homingtest.Elapse(p.T, away)
			p.own.postgres.Start()
			p.SQL.Reset()
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Zero(p.T, l.Unstored.Lost, "what is parked is not lost")
			require.Positive(p.T, p.functions["ingest-broker"].Metric("homing_ingest_parked_total"))
			require.Zero(p.T, p.Count("SELECT count(*) FROM rejected_events"))
		},
	},
	"PostgresAwayAndNothingCanBeParked": {
		on: func(t testing.TB) on {
			return on{postgres: testenv.OwnPostgres(t), parking: "amqp://" + homingtest.Nobody + "/"}
		},
		breaks: func(p *plane, tr *homingtest.Traffic) {
			p.own.postgres.Stop()
			p.More(tr, "meanwhile", 0, 80)
			homingtest.Wait(p.T, homingtest.Patience, "the broker has been asked to keep them", func() bool {
				return p.routes["ingest-broker"].refusals() > inFlight
			})
			p.own.postgres.Start()
			p.SQL.Reset()
		},
		after: func(p *plane, l homingtest.Ledger) {
			require.Zero(p.T, l.Unstored.Lost, "what the broker was asked to keep is not lost")
		},
	},
	"RabbitMQRestarted": {
		on: func(t testing.TB) on { return on{rabbitMQ: testenv.OwnRabbitMQ(t)} },
		breaks: func(p *plane, _ *homingtest.Traffic) {
			p.own.rabbitMQ.Stop()
			// The programs give up after some 6 s, and are started again, as often as it takes.
			homingtest.Wait(p.T, homingtest.Patience, "the ingress has given up", func() bool {
				return p.pods["deliveries-broker-ingress"].started() > 1
			})
			p.own.rabbitMQ.Start()
			p.waitForDispatchers()
		},
	},
}

// unbind takes a trigger's binding away: its queue gets nothing more.
func (p *plane) unbind(trigger string) {
	p.T.Helper()
	conn, err := amqp091.Dial(p.rabbitMQ)
	require.NoError(p.T, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(p.T, err)
	for _, tr := range p.triggers {
		if tr.Name == trigger {
			b, match := resolveBinding(p.T, bindingOf(tr, p.brokers[tr.Spec.Broker], p.queueOf(tr)))
			require.NoError(p.T, ch.QueueUnbind(b.Destination, b.RoutingKey, b.Source, match))
		}
	}
}

// TestSurvivesOnTheDataPlane breaks each part of the way while events are under way: whatever it is, nothing is lost
// that Homing answered for, or that was stored.
func TestSurvivesOnTheDataPlane(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(storms)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storms[name]
			p := deploy(t, s.on(t))
			p.SubscribeForStorm(homingtest.Latency)
			tr := p.produce(direct, brokered)
			p.Halfway(tr, (direct+brokered)/4)
			tr.During(func() { s.breaks(p, tr) })
			l := p.survive(tr)
			if s.after != nil {
				s.after(p, l)
			}
		})
	}
}
