package outcome_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestOfStatus(t *testing.T) {
	t.Parallel()
	special := map[int]webhook.Outcome{410: webhook.OutcomeGone, 429: webhook.OutcomeThrottled}
	for status := -1; status < 1100; status++ {
		want, known := special[status]
		if !known {
			switch status / 100 {
			case 2:
				want = webhook.OutcomeSuccess
			case 3:
				want = webhook.OutcomeRedirect
			case 4:
				want = webhook.OutcomeClientError
			default:
				want = webhook.OutcomeServerError
			}
		}
		require.Equal(t, want, outcome.OfStatus(status, nil), status)
		require.Equal(t, want == webhook.OutcomeSuccess, outcome.StatusDetail(status) == "", status)
	}
	for value, want := range map[string]webhook.Outcome{
		"0": webhook.OutcomeThrottled, "120": webhook.OutcomeThrottled,
		"Fri, 02 Jan 2026 03:04:05 GMT": webhook.OutcomeThrottled,
		"":                              webhook.OutcomeServerError, "soon": webhook.OutcomeServerError,
		"-1": webhook.OutcomeServerError,
	} {
		h := http.Header{"Retry-After": {value}}
		require.Equal(t, want, outcome.OfStatus(http.StatusServiceUnavailable, h), value)
		require.Equal(t, webhook.OutcomeServerError, outcome.OfStatus(http.StatusInternalServerError, h), value)
	}
}

func TestStatusDetail(t *testing.T) {
	t.Parallel()
	require.Equal(t, "answered 404 Not Found", outcome.StatusDetail(404))
	require.Equal(t, "answered 302 Found: redirects are not followed", outcome.StatusDetail(302))
	require.Equal(t, "answered 599", outcome.StatusDetail(599))
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	for _, o := range webhook.Outcomes {
		final := o == webhook.OutcomeSuccess || o == webhook.OutcomeGone
		require.Equal(t, !final, outcome.Retryable(o), o)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, " 120\t": 2 * time.Minute, "007": 7 * time.Second,
		"86400": 24 * time.Hour, "86401": 24 * time.Hour, "9223372036854775808": 24 * time.Hour,
		"99999999999999999999999999":    24 * time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Friday, 02-Jan-26 03:05:05 GMT": time.Minute,
		"Fri Jan  2 03:05:05 2026": time.Minute, "Fri, 02 Jan 2026 03:04:04 GMT": 0, "Mon, 01 Jan 1900 00:00:00 GMT": 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
	} {
		got, ok := outcome.RetryAfter(header, now)
		require.True(t, ok, header)
		require.Equal(t, want, got, header)
	}
	for _, header := range []string{"", " ", "-1", "+1", "1.5", "1s", "soon", "2026-01-02T03:04:05Z", "１"} {
		got, ok := outcome.RetryAfter(header, now)
		require.False(t, ok, header)
		require.Zero(t, got, header)
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", int64(1_700_000_000))
	f.Add("Fri, 02 Jan 2026 03:04:05 GMT", int64(-62135596800))
	f.Add("99999999999999999999", int64(1<<40))
	f.Fuzz(func(t *testing.T, header string, seconds int64) {
		got, ok := outcome.RetryAfter(header, time.Unix(seconds, 0))
		require.GreaterOrEqual(t, got, time.Duration(0))
		require.LessOrEqual(t, got, outcome.MaxRetryAfter)
		require.True(t, ok || got == 0)
	})
}

func ExampleOfStatus() {
	fmt.Println(outcome.OfStatus(503, http.Header{"Retry-After": {"30"}}), outcome.OfStatus(503, nil))
	// Output: throttled server_error
}

func BenchmarkOfStatus(b *testing.B) {
	h := http.Header{"Retry-After": {"30"}}
	b.ReportAllocs()
	for b.Loop() {
		outcome.OfStatus(503, h)
	}
}
