package outcome

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// MaxRetryAfter bounds what Retry-After may ask for.
const MaxRetryAfter = 24 * time.Hour

// OfStatus returns the outcome of an answer with this status and these headers: 2xx success, 3xx redirect, 410 gone,
// 429 throttled, as is 503 with a Retry-After that can be read, any other 4xx client_error, everything else
// server_error (DESIGN section 4).
func OfStatus(status int, h http.Header) webhook.Outcome {
	switch {
	case status >= 200 && status <= 299:
		return webhook.OutcomeSuccess
	case status >= 300 && status <= 399:
		return webhook.OutcomeRedirect
	case status == http.StatusGone:
		return webhook.OutcomeGone
	case status == http.StatusTooManyRequests:
		return webhook.OutcomeThrottled
	case status >= 400 && status <= 499:
		return webhook.OutcomeClientError
	}
	if status == http.StatusServiceUnavailable {
		if _, ok := RetryAfter(h.Get("Retry-After"), time.Time{}); ok {
			return webhook.OutcomeThrottled
		}
	}
	return webhook.OutcomeServerError
}

// StatusDetail says in a few words what an answer with this status was: "answered 404 Not Found"; "" for success.
func StatusDetail(status int) string {
	switch {
	case status >= 200 && status <= 299:
		return ""
	case status >= 300 && status <= 399:
		return "answered " + number(status) + ": redirects are not followed"
	default:
		return "answered " + number(status)
	}
}

// number writes a status with its name, if it has one.
func number(status int) string {
	return strings.TrimSuffix(strconv.Itoa(status)+" "+http.StatusText(status), " ")
}

// Retryable reports whether a delivery whose attempt ended so is tried again, as long as its schedule lasts: after
// every failure but gone.
func Retryable(o webhook.Outcome) bool {
	return o != webhook.OutcomeSuccess && o != webhook.OutcomeGone
}

// RetryAfter reads a Retry-After header (RFC 9110, section 10.2.3), which is a number of seconds or a date, and
// returns how long after now it asks to wait: at least 0, at most MaxRetryAfter. It reports false for an absent
// header and for one that is neither.
func RetryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.Trim(header, " \t")
	if header == "" {
		return 0, false
	}
	if isDigits(header) {
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter, true // also a number too large for 64 bits
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
