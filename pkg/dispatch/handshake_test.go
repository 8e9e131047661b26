package dispatch

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// consenting is a server that answers a handshake with headers, and keeps what it was asked.
func consenting(t *testing.T, status int, header map[string]string) (*httptest.Server, *http.Request) {
	t.Helper()
	asked := new(http.Request)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r.Clone(t.Context())
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s, asked
}

// local sends to this machine.
func local(t *testing.T, change ...func(*Config)) *Dispatcher {
	t.Helper()
	guard, err := NewGuard(GuardConfig{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	require.NoError(t, err)
	c := Config{Guard: guard, Version: "test"}
	for _, f := range change {
		f(&c)
	}
	d := New(c)
	t.Cleanup(d.Close)
	return d
}

// allowed are the headers of an answer that consents; without a rate when that is "".
func allowed(origin, rate string) map[string]string {
	header := map[string]string{"WebHook-Allowed-Origin": origin}
	if rate != "" {
		header["WebHook-Allowed-Rate"] = rate
	}
	return header
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	const origin = "homing.example"
	given, none := webhook.Consent{Origin: origin}, webhook.Consent{}
	for name, c := range map[string]struct {
		status    int
		header    map[string]string
		perMinute int
		want      webhook.Consent
		refused   string
	}{
		"ToUs":       {200, allowed(origin, ""), 0, given, ""},
		"ToUsInCaps": {200, allowed("HOMING.example", ""), 0, given, ""},
		"ToAnybody":  {204, allowed("*", "*"), 0, given, ""},
		"AtARate": {
			200, allowed("*", "120"), 600, webhook.Consent{Origin: origin, PerMinute: 120}, "",
		},
		"WithAnError": {405, allowed("*", ""), 0, given, ""},
		"Silent":      {200, nil, 0, none, "it answered 200 without WebHook-Allowed-Origin"},
		"NotAllowed":  {405, map[string]string{"Allow": "POST"}, 0, none, "it answered 405 without WebHook-Allowed-Origin"},
		"ToOthers":    {200, allowed("other.example", ""), 0, none, `"other.example", which is not "homing.example"`},
		"NoRate":      {200, allowed("*", ""), 60, none, "without WebHook-Allowed-Rate"},
		"BadRate":     {200, allowed("*", "many"), 0, none, `WebHook-Allowed-Rate "many"`},
		"SlowRate": {
			200, allowed("*", "1"), 60, webhook.Consent{Origin: origin, PerMinute: 1}, "",
		},
		"NoRateAtAll": {200, allowed("*", "0"), 0, none, "a number from 1 on"},
		"BelowNone":   {200, allowed("*", "-5"), 0, none, "a number from 1 on"},
		"HugeRate":    {200, allowed("*", "99999999999"), 0, none, "WebHook-Allowed-Rate"},
		"Elsewhere":   {307, map[string]string{"Location": "http://127.0.0.1:1/"}, 0, none, "it answered 307 without"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, asked := consenting(t, c.status, c.header)
			got, err := local(t).Handshake(t.Context(), HandshakeRequest{
				URL: s.URL + "/hooks?a=b", Origin: origin, PerMinute: c.perMinute,
			})
			require.Equal(t, c.want, got)
			if c.refused == "" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ErrNoConsent)
				require.ErrorContains(t, err, c.refused)
			}
			require.Equal(t, http.MethodOptions, asked.Method)
			require.Equal(t, "/hooks?a=b", asked.RequestURI)
			require.Equal(t, origin, asked.Header.Get("WebHook-Request-Origin"))
			require.Equal(t, c.perMinute > 0, asked.Header.Get("WebHook-Request-Rate") != "")
		})
	}
}

// TestHandshakeIsGuarded holds that a handshake reaches nothing that a delivery could not, and waits no longer.
func TestHandshakeIsGuarded(t *testing.T) {
	t.Parallel()
	s, asked := consenting(t, http.StatusOK, allowed("*", ""))
	guarded := New(Config{})
	t.Cleanup(guarded.Close)
	_, err := guarded.Handshake(t.Context(), HandshakeRequest{URL: s.URL, Origin: "homing.example"})
	require.ErrorIs(t, err, ErrNoConsent)
	require.ErrorContains(t, err, "HOMING_ALLOW_ADDRESSES")
	require.Empty(t, asked.Method, "it was not asked")

	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	_, err = local(t, func(c *Config) { c.Timeout = 50 * time.Millisecond }).
		Handshake(t.Context(), HandshakeRequest{URL: slow.URL, Origin: "homing.example"})
	require.ErrorIs(t, err, ErrNoConsent)
}

// TestConsentGoesWithEachDelivery holds that the origin consented to is sent, and none where there is no consent.
func TestConsentGoesWithEachDelivery(t *testing.T) {
	t.Parallel()
	d := local(t)
	for _, want := range []string{"", "homing.example"} {
		s, asked := consenting(t, http.StatusOK, nil)
		var ids webhook.IDSource
		e := webhook.Endpoint{
			ID: ids.New(time.Now()), URL: s.URL, Format: webhook.FormatBinary, Consent: webhook.Consent{Origin: want},
		}
		secret := webhook.Secret{ID: ids.New(time.Now()), Kind: webhook.SecretHMAC, Key: make([]byte, 32)}
		got := d.Send(t.Context(), Request{
			Endpoint: &e, Secrets: []webhook.Secret{secret}, Now: time.Now(),
			Event: &webhook.Event{ID: ids.New(time.Now()), Source: "/s", CEID: "1", Type: "t"},
		})
		require.Equal(t, webhook.OutcomeSuccess, got.Attempt.Outcome, got.Attempt.Detail)
		require.Equal(t, want, asked.Header.Get("WebHook-Request-Origin"))
	}
}
