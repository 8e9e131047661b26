// Package gatetest is the conformance suite and the benchmark of [gate.Gate]: every back end runs both.
//
// It owns what the interface promises, as tests. To add a back end, write a [Harness] for it and call [Test] and
// [Benchmark] from its own test files. It promises to run in parallel, to read no clock (all times are made up) and to
// wait for nothing. It is for tests only and never linked into a binary.
package gatetest

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Harness opens one back end for the suite.
type Harness struct {
	// Space makes a place for rate limits that nobody else uses, and removes it when the test ends. It returns a
	// function that opens the client of one more process; in memory, where there is one process, the same each time.
	// The suite closes what it opened at the end, possibly more than once.
	Space func(t testing.TB) (open func() gate.Gate)
}

// Test runs the suite.
func Test(t *testing.T, h Harness) {
	t.Helper()
	for _, one := range []struct {
		name string
		test func(*bundle)
	}{
		{"GrantsABurstThenTheRate", grantsBurstThenRate},
		{"GrantsLessThanOneASecond", grantsSlowly},
		{"GrantsPartOfWhatIsWanted", grantsPart},
		{"SaysToTheMicrosecondWhenTheNextMayBe", saysWhenNext},
		{"NeverMoreThanRateAndBurstOverAnySpan", neverMore},
		{"NeverLessThanTheRateToWhoeverAsks", neverLess},
		{"LongIdleEarnsOneBurst", idleEarnsOneBurst},
		{"AnswersABatchInOrder", answersInOrder},
		{"KeepsEndpointsApart", keepsApart},
		{"FollowsARateThatChanges", followsRate},
		{"BearsOddNumbers", bearsOddNumbers},
		{"BearsClocksThatDiffer", bearsClocks},
		{"AnyRunOfTakesKeepsToTheMeter", keepsToMeter},
		{"ManyProcessesShareOneLimit", sharesLimit},
		{"ClosedOrCancelledIsUnavailable", closedIsUnavailable},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			b := &bundle{T: t, space: h.Space(t)}
			b.gate = b.open()
			one.test(b)
		})
	}
}

// bundle is what one test works with.
type bundle struct {
	*testing.T
	space func() gate.Gate
	gate  gate.Gate
}

// open returns one more client.
func (b *bundle) open() gate.Gate {
	b.Helper()
	client := b.space()
	b.Cleanup(func() { require.NoError(b, client.Close()) })
	return client
}

// noon is the time at which the tests' stories begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func endpoint(n int) webhook.ID {
	id := webhook.FirstID(noon)
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// take asks for one endpoint, some time after noon, and checks what holds for each grant.
func (b *bundle) take(after time.Duration, n, perSecond, want int) gate.Grant {
	b.Helper()
	grants, err := b.gate.Take(b.Context(), noon.Add(after),
		[]gate.Request{{Endpoint: endpoint(n), PerMinute: perSecond * 60, Want: want}})
	require.NoError(b, err)
	require.Len(b, grants, 1)
	require.GreaterOrEqual(b, grants[0].Granted, 0)
	require.LessOrEqual(b, grants[0].Granted, max(0, want))
	require.Equal(b, grants[0].Granted < want, grants[0].RetryIn > 0, "only who got less than wanted waits")
	return grants[0]
}

func grantsBurstThenRate(b *bundle) {
	const rate = 10
	require.Equal(b, gate.Grant{Granted: rate, RetryIn: 100 * time.Millisecond}, b.take(0, 1, rate, rate+1))
	require.Equal(b, gate.Grant{RetryIn: time.Millisecond}, b.take(99*time.Millisecond, 1, rate, 1))
	require.Equal(b, gate.Grant{Granted: 1}, b.take(100*time.Millisecond, 1, rate, 1))
	require.Equal(b, gate.Grant{Granted: 3, RetryIn: 50 * time.Millisecond}, b.take(450*time.Millisecond, 1, rate, 5))
}

// grantsSlowly has rates whose burst is one send, which is more than they allow in a second.
func grantsSlowly(b *bundle) {
	for i, perMinute := range []int{1, 7, 59} {
		wait := time.Minute / time.Duration(perMinute)
		ask := func(after time.Duration) gate.Grant {
			grants, err := b.gate.Take(b.Context(), noon.Add(after), []gate.Request{
				{Endpoint: endpoint(i), PerMinute: perMinute, Want: 5},
			})
			require.NoError(b, err)
			return grants[0]
		}
		granted, at := 0, time.Duration(0)
		for at < 10*time.Minute {
			got := ask(at)
			require.Equal(b, 1, got.Granted, "%d a minute", perMinute)
			require.InDelta(b, wait, got.RetryIn, float64(time.Microsecond))
			require.Zero(b, ask(at+got.RetryIn-time.Microsecond).Granted, "%d a minute: a microsecond early", perMinute)
			granted += got.Granted
			at += got.RetryIn
		}
		require.InDelta(b, 10*perMinute, granted, 1)
		require.Equal(b, 1, ask(at+time.Hour).Granted, "and earns no more by being idle")
	}
}

func grantsPart(b *bundle) {
	require.Equal(b, gate.Grant{Granted: 7}, b.take(0, 1, 10, 7))
	require.Equal(b, gate.Grant{Granted: 3, RetryIn: 100 * time.Millisecond}, b.take(0, 1, 10, 7))
	require.Equal(b, gate.Grant{RetryIn: 100 * time.Millisecond}, b.take(0, 1, 10, 7))
}

func saysWhenNext(b *bundle) {
	for i, rate := range []int{1, 3, 7, 10, 333, 999, 7001} {
		grant := b.take(0, i, rate, rate+1)
		at := time.Duration(0)
		for range 5 {
			at += grant.RetryIn
			require.Zero(b, b.take(at-time.Microsecond, i, rate, 1).Granted, "rate %d: a microsecond early", rate)
			grant = b.take(at, i, rate, 2)
			require.Equal(b, 1, grant.Granted, "rate %d: on time", rate)
		}
	}
}

// neverMore asks at random and counts every span between two grants.
func neverMore(b *bundle) {
	const steps = 300
	for seed, rate := range []int{1, 3, 17, 250, 4999} {
		random := rand.New(rand.NewPCG(uint64(seed), 1))
		type grant struct {
			at   time.Duration
			sent int
		}
		var grants []grant
		var at time.Duration
		for range steps {
			at += time.Duration(random.IntN(int(3*time.Second/time.Microsecond/time.Duration(rate)))) * time.Microsecond
			if got := b.take(at, seed, rate, random.IntN(2*rate)).Granted; got > 0 {
				grants = append(grants, grant{at, got})
			}
		}
		for i := range grants {
			sent := 0
			for _, g := range grants[i:] {
				sent += g.sent
				span := (g.at - grants[i].at) / time.Microsecond
				// In whole numbers, and without the cost of calling require each time: sent <= rate * span + burst.
				if int64(sent)*1e6 > int64(rate)*(int64(span)+1e6) {
					require.Fail(b, "too many", "rate %d: %d in %d us", rate, sent, span)
				}
			}
		}
	}
}

// neverLess asks as soon as it may.
func neverLess(b *bundle) {
	const seconds = 3
	for i, rate := range []int{1, 7, 30} {
		sent, at := 0, time.Duration(0)
		for at <= seconds*time.Second {
			grant := b.take(at, i, rate, rate+1)
			sent += grant.Granted
			at += grant.RetryIn
		}
		require.Equal(b, rate+seconds*rate, sent)
	}
}

func idleEarnsOneBurst(b *bundle) {
	require.Equal(b, 5, b.take(0, 1, 5, 5).Granted)
	for _, idle := range []time.Duration{time.Second, time.Hour, 24 * 365 * time.Hour} {
		require.Equal(b, 5, b.take(idle, 1, 5, 100).Granted)
	}
}

func answersInOrder(b *bundle) {
	request := func(n, rate, want int) gate.Request {
		return gate.Request{Endpoint: endpoint(n), PerMinute: rate * 60, Want: want}
	}
	grants, err := b.gate.Take(b.Context(), noon, []gate.Request{
		request(1, 2, 1), request(2, 4, 9), request(1, 2, 2), request(3, 100, 60), request(1, 2, 1),
	})
	require.NoError(b, err)
	require.Equal(b, []gate.Grant{
		{Granted: 1}, {Granted: 4, RetryIn: 250 * time.Millisecond}, {Granted: 1, RetryIn: 500 * time.Millisecond},
		{Granted: 60}, {RetryIn: 500 * time.Millisecond},
	}, grants)
	grants, err = b.gate.Take(b.Context(), noon, nil)
	require.NoError(b, err)
	require.Empty(b, grants)
}

func keepsApart(b *bundle) {
	const endpoints, batch = 3000, 100 // enough for a back end that tidies up to have done so
	for _, want := range []int{2, 0} {
		for first := 0; first < endpoints; first += batch {
			var requests []gate.Request
			for i := range batch {
				requests = append(requests, gate.Request{Endpoint: endpoint(first + i), PerMinute: 120, Want: 2})
			}
			grants, err := b.gate.Take(b.Context(), noon.Add(time.Duration(first)*time.Microsecond), requests)
			require.NoError(b, err)
			for _, grant := range grants {
				require.Equal(b, want, grant.Granted)
			}
		}
	}
}

func followsRate(b *bundle) {
	require.Equal(b, 100, b.take(0, 1, 100, 100).Granted)
	require.Equal(b, gate.Grant{RetryIn: 500 * time.Millisecond}, b.take(0, 1, 2, 1), "lowered: a second at most")
	require.Equal(b, 2, b.take(time.Second, 1, 2, 5).Granted)
	require.Equal(b, 8, b.take(time.Second, 1, 10, 20).Granted, "raised: the burst is the new one")
}

func bearsOddNumbers(b *bundle) {
	require.Equal(b, gate.Grant{}, b.take(0, 1, 10, 0))
	require.Equal(b, gate.Grant{}, b.take(0, 1, 10, -5))
	require.Equal(b, gate.Grant{Granted: 10}, b.take(0, 1, 10, 10), "nothing was used up")
	require.Equal(b, gate.Grant{Granted: 1, RetryIn: time.Minute}, b.take(0, 2, 0, 2), "a rate below one is one")
	require.Equal(b, gate.Grant{Granted: 1, RetryIn: time.Minute}, b.take(0, 3, -7, 2))
	require.Equal(b, 1_000_000, b.take(0, 4, 1<<40, 1_000_000).Granted)
	require.Equal(b, gate.Grant{Granted: 1 << 32 / 60, RetryIn: time.Microsecond}, b.take(0, 5, 1<<40, 1<<31))
}

func bearsClocks(b *bundle) {
	require.Equal(b, 10, b.take(20*time.Millisecond, 1, 10, 10).Granted)
	// A clock that is behind gets nothing out of it, and is told to wait until the other's.
	require.Equal(b, gate.Grant{RetryIn: 120 * time.Millisecond}, b.take(0, 1, 10, 1))
	require.Equal(b, gate.Grant{Granted: 1}, b.take(120*time.Millisecond, 1, 10, 1))
	// One that was ahead by an hour shuts the endpoint for a second at most.
	require.Equal(b, 10, b.take(time.Hour, 1, 10, 10).Granted)
	require.Zero(b, b.take(2*time.Second, 1, 10, 10).Granted)
	require.Equal(b, 10, b.take(3*time.Second, 1, 10, 11).Granted)
}

// keepsToMeter compares every answer with the arithmetic that the interface's package has.
func keepsToMeter(b *bundle) {
	const steps, endpoints = 500, 5
	random := rand.New(rand.NewPCG(3, 4))
	var meters [endpoints]gate.Meter
	clients := []gate.Gate{b.gate, b.open()}
	now := noon
	for range steps {
		now = now.Add(time.Duration(random.IntN(4000)-20) * time.Millisecond).Add(time.Duration(random.IntN(1000)))
		requests := make([]gate.Request, random.IntN(4))
		want := make([]gate.Grant, len(requests))
		for i := range requests {
			n := random.IntN(endpoints)
			rate := []int{1, 7, 59, 60, 61, 999, 123_457, 1 << 32}[random.IntN(8)]
			requests[i] = gate.Request{Endpoint: endpoint(n), PerMinute: rate, Want: random.IntN(rate + rate/2 + 2)}
			meters[n], want[i] = meters[n].Take(now.UnixMicro(), rate, requests[i].Want)
		}
		got, err := clients[random.IntN(2)].Take(b.Context(), now, requests)
		require.NoError(b, err)
		require.Equal(b, want, append([]gate.Grant{}, got...))
	}
}

func sharesLimit(b *bundle) {
	const processes, calls, rate = 8, 40, 500
	requests := []gate.Request{{Endpoint: endpoint(1), PerMinute: rate * 60, Want: 3}}
	var group errgroup.Group
	granted := make([]int, processes)
	for i := range processes {
		client := b.open()
		group.Go(func() error {
			for range calls {
				grants, err := client.Take(b.Context(), noon, requests)
				if err != nil {
					return err
				}
				granted[i] += grants[0].Granted
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
	total := 0
	for _, n := range granted {
		total += n
	}
	require.Equal(b, rate, total)
}

func closedIsUnavailable(b *bundle) {
	requests := []gate.Request{{Endpoint: endpoint(1), PerMinute: 60, Want: 1}}
	stopped, stop := context.WithCancel(b.Context())
	stop()
	_, err := b.gate.Take(stopped, noon, requests)
	require.ErrorIs(b, err, gate.ErrUnavailable)
	require.ErrorIs(b, err, context.Canceled)
	require.NoError(b, b.gate.Close())
	require.NoError(b, b.gate.Close(), "closed twice")
	_, err = b.gate.Take(b.Context(), noon, requests)
	require.ErrorIs(b, err, gate.ErrUnavailable)
}

// Benchmark measures the takes of a back end: one endpoint, and a batch of 100.
func Benchmark(b *testing.B, h Harness) {
	b.Helper()
	for name, size := range map[string]int{"Take1": 1, "Take100": 100} {
		b.Run(name, func(b *testing.B) {
			client := h.Space(b)()
			defer client.Close()
			var requests []gate.Request
			for i := range size {
				requests = append(requests, gate.Request{Endpoint: endpoint(i), PerMinute: 6000, Want: 2})
			}
			b.ReportAllocs()
			for now := noon; b.Loop(); now = now.Add(10 * time.Millisecond) {
				_, err := client.Take(b.Context(), now, requests)
				require.NoError(b, err)
			}
		})
	}
}
