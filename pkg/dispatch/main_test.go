package dispatch

import (
	"crypto/x509"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keptBytes and readBytes are how much of an answer's body is kept and read.
const keptBytes, readBytes = 16 << 10, 64 << 10

// patience is how long an attempt may take as a whole, and each of its phases, where a test sets no bound of its own.
const patience = time.Minute

// bundle is a dispatcher that may call loopback, and a request that is good but for its URL.
type bundle struct {
	*Dispatcher
	request Request
}

func setup(tb testing.TB, change ...func(*Config)) *bundle {
	tb.Helper()
	c := Config{
		Version: "1.2.3", Guard: loopbackGuard(tb), KeepBody: keptBytes, ReadBody: readBytes,
		Timeout: patience, ConnectTimeout: patience, TLSTimeout: patience, FirstByteTimeout: patience,
	}
	for _, f := range change {
		f(&c)
	}
	d := New(c)
	tb.Cleanup(d.Close)
	return &bundle{Dispatcher: d, request: newRequest(tb)}
}

func loopbackGuard(tb testing.TB) *Guard {
	tb.Helper()
	return newGuard(tb, GuardConfig{Allow: prefixes(tb, "127.0.0.0/8", "::1")})
}

func newGuard(tb testing.TB, c GuardConfig) *Guard {
	tb.Helper()
	g, err := NewGuard(c)
	require.NoError(tb, err)
	return g
}

// prefixes reads prefixes and single addresses.
func prefixes(tb testing.TB, texts ...string) []netip.Prefix {
	tb.Helper()
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil {
			out[i] = netip.PrefixFrom(addr, addr.BitLen())
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		require.NoError(tb, err)
		out[i] = prefix
	}
	return out
}

func newRequest(tb testing.TB) Request {
	tb.Helper()
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(tb, err)
	now := time.Now()
	var ids webhook.IDSource
	return Request{
		Endpoint: &webhook.Endpoint{
			ID: ids.New(now), Tenant: "acme", Format: webhook.FormatBinary, Timeout: patience,
			Headers: map[string]string{"Authorization": "Bearer token-of-the-endpoint"},
		},
		Secrets: []webhook.Secret{secret},
		Event: &webhook.Event{
			ID: ids.New(now), Tenant: "acme", Source: "/orders", CEID: "order-1", Type: "order.paid", Subject: "1",
			Time: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), DataType: "application/json",
			Extensions: map[string]any{"region": "eu", "urgent": true, "weight": int32(-7)},
			Data:       []byte(`{"order":1,"amount":"twelve-fifty","currency":"EUR"}`),
		},
		Delivery: ids.New(now), Attempt: 1, Now: now,
	}
}

func roots(tb testing.TB, s *httptest.Server) *x509.CertPool {
	tb.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}
