package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/clock"
)

func TestNowIsTheStoresTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const wrong = 5 * time.Minute
		asked := 0
		c := clock.New(func(context.Context) (time.Time, error) {
			asked++
			<-time.After(10 * time.Millisecond) // the round trip, in the bubble's fake time
			return time.Now().Add(-5 * time.Millisecond), nil
		}, func() time.Time { return time.Now().Add(wrong) })

		require.NoError(t, c.Measure(t.Context()))
		require.Equal(t, -wrong, c.Offset())
		require.WithinDuration(t, time.Now(), c.Now(), 0)
		require.ErrorContains(t, c.Check(), "NTP")

		require.True(t, c.Past().Before(time.Now()), "Past is past however the round trip was spent")
		require.WithinDuration(t, time.Now(), c.Past(), 6*time.Millisecond)

		synctest.Wait()
		require.Equal(t, 3, asked, "a fresh measurement is not repeated")
		<-time.After(6 * time.Minute)
		c.Now()
		c.Now()
		synctest.Wait()
		<-time.After(time.Second)
		require.Equal(t, 6, asked, "an old one is, once")
	})
}

func TestAFailedMeasurementKeepsTheOffset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away, ahead, asked := false, time.Second, 0
		c := clock.New(func(context.Context) (time.Time, error) {
			asked++
			if away {
				return time.Time{}, errors.New("away")
			}
			return time.Now().Add(ahead), nil
		}, time.Now)
		require.NoError(t, c.Measure(t.Context()))
		away, asked = true, 0
		require.ErrorContains(t, c.Measure(t.Context()), "away")
		require.Equal(t, time.Second, c.Offset())
		require.NoError(t, c.Check())

		c.Now()
		synctest.Wait()
		require.Equal(t, 1, asked, "not with every use")
		away, ahead = false, time.Minute
		<-time.After(6 * time.Second)
		c.Now()
		synctest.Wait()
		require.Equal(t, time.Minute, c.Offset(), "but soon: it is needed")
	})
}
