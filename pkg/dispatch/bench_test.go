package dispatch

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func BenchmarkSend(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	plain := httptest.NewServer(handler)
	b.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	b.Cleanup(secure.Close)
	for _, server := range []struct {
		name string
		*httptest.Server
	}{{"http1", plain}, {"http2_tls", secure}} {
		s := setup(b, func(c *Config) { c.RootCAs = roots(b, secure) })
		s.request.Endpoint.URL = server.URL + "/hook?token=1"
		// bare is what net/http costs without anything of ours, server included.
		b.Run(server.name+"_bare", func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				req, err := http.NewRequest(http.MethodPost, server.URL, bytes.NewReader(s.request.Event.Data))
				require.NoError(b, err)
				res, err := s.transports.withBody.RoundTrip(req)
				require.NoError(b, err)
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
		run := func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			for b.Loop() {
				r := s.Send(context.Background(), s.request)
				if r.Attempt.Outcome != webhook.OutcomeSuccess {
					require.Empty(b, r)
				}
			}
		}
		b.Run(server.name, run)
		b.Run(server.name+"_parallel", func(b *testing.B) {
			b.ReportAllocs()
			defer reportCPU(b)()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if s.Send(context.Background(), s.request).Attempt.Outcome != webhook.OutcomeSuccess {
						b.Error("not delivered")
					}
				}
			})
		})
	}
}

// reportCPU reports the processor time of both sides, which a busy machine changes less than the time that passes.
func reportCPU(b *testing.B) func() {
	b.Helper()
	before := cpu(b)
	return func() { b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op") }
}

func cpu(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkSendWithoutNetwork(b *testing.B) {
	s := setup(b)
	s.request.Endpoint.URL = "https://receiver.example/hook"
	ctx := context.Background()
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.build(ctx, &s.request); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("build_ed25519", func(b *testing.B) {
		r := s.request
		secret, err := signature.NewSecret(webhook.SecretEd25519)
		require.NoError(b, err)
		r.Secrets = []webhook.Secret{secret}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.build(ctx, &r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("keep_headers", func(b *testing.B) {
		h := http.Header{"Content-Type": {"text/plain"}, "Date": {"x"}, "Server": {"nginx"}, "Content-Length": {"2"}}
		b.ReportAllocs()
		for b.Loop() {
			keepHeaders(h)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	r := newRequest(b)
	r.Event.Data = []byte(`{"text":"` + strings.Repeat("lorem ipsum ", 300) + `"}`)
	for _, format := range []webhook.BodyFormat{webhook.FormatBinary, webhook.FormatStructured, webhook.FormatStandard} {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode(r.Event, format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGuard(b *testing.B) {
	g := newGuard(b, GuardConfig{Allow: prefixes(b, "10.0.0.0/8"), Deny: prefixes(b, "10.1.0.0/16")})
	public := mustAddrPort(b, "[2a00:1450:4001:80b::200e]:443")
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Check(public); err != nil {
			b.Fatal(err)
		}
	}
}
