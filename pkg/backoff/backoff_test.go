package backoff_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// randomSchedule is any schedule within the bounds, steps of 0 among them.
func randomSchedule(random *rand.Rand) []time.Duration {
	schedule := make([]time.Duration, 1+random.IntN(backoff.MaxSteps))
	for i := range schedule {
		if random.IntN(4) > 0 {
			schedule[i] = time.Duration(random.Int64N(int64(backoff.MaxStep) + 1))
		}
	}
	return schedule
}

func TestNext(t *testing.T) {
	t.Parallel()

	t.Run("NeverWaitsLessThanTheStepNorAFifthMore", func(t *testing.T) {
		t.Parallel()
		random := rand.New(rand.NewPCG(1, 1))
		for range 5_000 {
			p := backoff.Plan{Schedule: randomSchedule(random), Step: random.IntN(60) - 5, Jitter: random.Float64(),
				Outcome: webhook.Outcomes[random.IntN(len(webhook.Outcomes))], RetryAfter: time.Duration(random.Int64()) - 1<<62}
			wait, ok := backoff.Next(p)
			require.Equal(t, p.Step < len(p.Schedule), ok)
			if !ok {
				require.Zero(t, wait)
				continue
			}
			least := p.Schedule[max(p.Step, 0)]
			if p.Outcome == webhook.OutcomeThrottled {
				least = max(least, min(p.RetryAfter, outcome.MaxRetryAfter))
			}
			require.GreaterOrEqual(t, wait, least)
			require.LessOrEqual(t, float64(wait), float64(least)*(1+backoff.Spread)+1)
			p.Jitter = 0
			exact, _ := backoff.Next(p)
			require.Equal(t, least, exact)
		}
	})
	t.Run("SpreadsWhatComesTogether", func(t *testing.T) {
		t.Parallel()
		p := backoff.Plan{Schedule: []time.Duration{0}, Outcome: webhook.OutcomeThrottled, RetryAfter: 100 * time.Second}
		var last time.Duration
		for i := range 10 {
			p.Jitter = float64(i) / 10
			wait, _ := backoff.Next(p)
			require.InDelta(t, float64(100*time.Second+time.Duration(i)*2*time.Second), float64(wait), float64(time.Millisecond))
			require.GreaterOrEqual(t, wait, last)
			last = wait
		}
	})
	t.Run("TakesAnyJitter", func(t *testing.T) {
		t.Parallel()
		for jitter, want := range map[float64]time.Duration{
			-1: 10 * time.Second, 1: 12 * time.Second, 7: 12 * time.Second, math.Inf(1): 12 * time.Second,
			math.Inf(-1): 10 * time.Second,
		} {
			wait, _ := backoff.Next(backoff.Plan{Schedule: []time.Duration{10 * time.Second}, Jitter: jitter})
			require.Equal(t, want, wait)
		}
		wait, _ := backoff.Next(backoff.Plan{Schedule: []time.Duration{10 * time.Second}, Jitter: math.NaN()})
		require.Equal(t, 10*time.Second, wait)
	})
}

func TestSchedules(t *testing.T) {
	t.Parallel()

	t.Run("AreWrittenAndReadBack", func(t *testing.T) {
		t.Parallel()
		const text = "0s,5s,5m,30m,2h,5h,10h,14h,20h,24h"
		standard := webhook.DefaultPolicy().Schedule
		require.Equal(t, text, backoff.Format(standard))
		parsed, err := backoff.Parse(text)
		require.NoError(t, err)
		require.Equal(t, standard, parsed)
		random := rand.New(rand.NewPCG(2, 2))
		for range 500 {
			schedule := randomSchedule(random)
			parsed, err := backoff.Parse(backoff.Format(schedule))
			require.NoError(t, err)
			require.Equal(t, schedule, parsed)
		}
		for text, want := range map[string]string{
			//nolint:gocritic // the white space is what is tested
			" 1h , 90m ": "1h,1h30m", "1h0m5s": "1h0m5s", "168h": "168h", "100ms,1m0.5s": "100ms,1m0.5s", "10m0s": "10m",
			"0": "0s",
		} {
			schedule, err := backoff.Parse(text)
			require.NoError(t, err)
			require.Equal(t, want, backoff.Format(schedule))
		}
	})
	t.Run("OutsideTheBoundsAreRefusedByStep", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string]string{
			"": "step 1 is no duration", "5": "step 1 is no duration", "1s,": "step 2 is no duration",
			"1s,,2s": "step 2 is no duration",
			"0s,-1s": "step 2 is -1s", "168h1ns": "step 1 is 168h0m0.000000001s", "1d": "step 1 is no duration",
			strings.Repeat("1s,", backoff.MaxSteps) + "1s": "more than 50 steps",
			strings.Repeat("1s,", 1_000_000):               "more than 50 steps",
		} {
			_, err := backoff.Parse(text)
			require.ErrorIs(t, err, backoff.ErrSchedule)
			require.ErrorContains(t, err, want)
		}
		require.ErrorIs(t, backoff.Validate(nil), backoff.ErrSchedule)
		require.ErrorIs(t, backoff.Validate(make([]time.Duration, backoff.MaxSteps+1)), backoff.ErrSchedule)
		require.NoError(t, backoff.Validate(make([]time.Duration, backoff.MaxSteps)))
	})
}

func FuzzParse(f *testing.F) {
	f.Add("0s,5s,5m")
	f.Add("-1s,1e9h")
	f.Add(strings.Repeat(",", 60))
	f.Fuzz(func(t *testing.T, text string) {
		schedule, err := backoff.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, backoff.ErrSchedule)
			return
		}
		require.NoError(t, backoff.Validate(schedule))
		again, err := backoff.Parse(backoff.Format(schedule))
		require.NoError(t, err)
		require.True(t, slices.Equal(schedule, again))
	})
}

func ExampleNext() {
	schedule, _ := backoff.Parse("0s,10s,5m")
	fmt.Println(backoff.Next(backoff.Plan{Schedule: schedule, Step: 1, Jitter: 0.5}))
	fmt.Println(backoff.Next(backoff.Plan{Schedule: schedule, Step: 3}))
	// Output:
	// 11s true
	// 0s false
}

func BenchmarkDecide(b *testing.B) {
	f := backoff.Facts{Attempt: 2, Schedule: webhook.DefaultPolicy().Schedule, Outcome: webhook.OutcomeThrottled,
		RetryAfter: time.Minute, Jitter: 0.5}
	b.ReportAllocs()
	for b.Loop() {
		backoff.Decide(f)
	}
}
