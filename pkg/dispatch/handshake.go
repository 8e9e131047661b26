package dispatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// ErrNoConsent says that an endpoint has not consented to webhooks. The error that wraps it says what it answered, or
// why it could not be asked.
var ErrNoConsent = errors.New("no consent")

// HandshakeRequest asks an endpoint for its consent.
type HandshakeRequest struct {
	// URL is where POSTs will go: the very URL is asked.
	URL string
	// Origin is the DNS name of the sender.
	Origin string
	// PerMinute is how many requests a minute are asked for; 0 asks for no rate.
	PerMinute int
}

// The headers of the handshake (CloudEvents HTTP webhook 1.0.2, sections 4.1 and 4.2). The callback of section 4.1.2 is
// not offered: consent is given at once or not at all.
const (
	headerRequestOrigin = "WebHook-Request-Origin"
	headerRequestRate   = "WebHook-Request-Rate"
	headerAllowedOrigin = "WebHook-Allowed-Origin"
	headerAllowedRate   = "WebHook-Allowed-Rate"
)

// Handshake asks an endpoint for its consent with an OPTIONS request, behind the same guard and within the same bounds
// as an attempt. It is the headers of the answer that consent, whatever its status (section 4.2); no redirect is
// followed. What it returns has no time. Errors: ErrNoConsent.
func (d *Dispatcher) Handshake(ctx context.Context, r HandshakeRequest) (webhook.Consent, error) {
	t := &timing{start: time.Now()}
	asking, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	req, err := d.options(httptrace.WithClientTrace(asking, t.trace()), r)
	if err != nil {
		return webhook.Consent{}, noConsent(err.Error())
	}
	res, err := d.transports.bodiless.RoundTrip(req)
	if err != nil {
		_, detail := failure(t, err)
		return webhook.Consent{}, noConsent(detail)
	}
	_ = res.Body.Close() // what it says does not matter
	return consentOf(res, r)
}

func noConsent(detail string) error { return fmt.Errorf("%w: %s", ErrNoConsent, detail) }

// options makes the request of a handshake.
func (d *Dispatcher) options(ctx context.Context, r HandshakeRequest) (*http.Request, error) {
	u, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(u, d.guard); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set(keyUserAgent, d.userAgent)
	req.Header.Set(headerRequestOrigin, r.Origin)
	if r.PerMinute > 0 {
		req.Header.Set(headerRequestRate, strconv.Itoa(r.PerMinute))
	}
	return req, nil
}

// maxAnswered bounds what a refusal repeats of an answer.
const maxAnswered = 100

// consentOf reads what an endpoint has consented to. Errors: ErrNoConsent.
func consentOf(res *http.Response, r HandshakeRequest) (webhook.Consent, error) {
	origin := strings.TrimSpace(res.Header.Get(headerAllowedOrigin))
	rate := strings.TrimSpace(res.Header.Get(headerAllowedRate))
	answered := fmt.Sprintf("it answered %d", res.StatusCode)
	switch {
	case origin == "":
		return webhook.Consent{}, noConsent(answered + " without " + headerAllowedOrigin)
	case origin != "*" && !strings.EqualFold(origin, r.Origin):
		return webhook.Consent{}, noConsent(fmt.Sprintf("%s with %s %q, which is not %q", answered, headerAllowedOrigin,
			clean(origin, maxAnswered), r.Origin))
	case rate == "" && r.PerMinute > 0:
		return webhook.Consent{}, noConsent(answered + " without " + headerAllowedRate + ", which it was asked for")
	}
	consent := webhook.Consent{Origin: r.Origin}
	if rate == "" || rate == "*" {
		return consent, nil
	}
	perMinute, err := strconv.ParseInt(rate, 10, 31)
	if err != nil || perMinute < 1 {
		return webhook.Consent{}, noConsent(fmt.Sprintf("%s with %s %q, which must be * or a number from 1 on", answered,
			headerAllowedRate, clean(rate, maxAnswered)))
	}
	consent.PerMinute = int(perMinute)
	return consent, nil
}
