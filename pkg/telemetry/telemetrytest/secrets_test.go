package telemetrytest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"

	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
)

// verdict catches what NoSecrets says.
type verdict struct{ failures []string }

func (v *verdict) Helper() {}

func (v *verdict) Errorf(format string, args ...any) {
	v.failures = append(v.failures, fmt.Sprintf(format, args...))
}

const secret = "whsec_\"p+s/ö√&word\""

func TestNoSecrets(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "x_total", Help: "X."}, []string{"url"})
	registry.MustRegister(counter)
	counter.WithLabelValues("http://u:" + secret + "@h").Inc()

	tracer, spans := telemetrytest.Tracer(t)
	_, span := tracer.Start(t.Context(), "s")
	span.SetAttributes(attribute.String("header", secret))
	span.End()

	log, messages := telemetrytest.Logger()
	log.Info("m", "key", secret)

	for name, output := range map[string]any{
		"AsItIs":           "x" + secret + "y",
		"Bytes":            []byte(secret),
		"Buffer":           bytes.NewBufferString(secret),
		"Base64":           base64.StdEncoding.EncodeToString([]byte(secret)),
		"Base64OfMore":     base64.StdEncoding.EncodeToString([]byte("user:" + secret + ":more")),
		"Base64OfMoreMore": base64.StdEncoding.EncodeToString([]byte("usr:" + secret)),
		"Base64URL":        base64.URLEncoding.EncodeToString([]byte("u" + secret + "x")),
		"Hex":              strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"Query":            "?" + url.Values{"t": {secret}}.Encode(),
		"Path":             url.PathEscape(secret),
		"GoString":         fmt.Sprintf("%q", secret),
		"GoASCII":          fmt.Sprintf("%+q", secret),
		"Error":            fmt.Errorf("a: %w", errors.New(secret)),
		"Metrics":          registry,
		"Spans":            spans,
		"Log":              messages,
		"Struct":           struct{ Deep []map[string]any }{[]map[string]any{{"k": secret}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v verdict
			telemetrytest.NoSecrets(&v, []string{"another", secret}, output)
			require.Len(t, v.failures, 1)
			require.Contains(t, v.failures[0], "secret 1 can be seen in output 0")
			require.NotContains(t, v.failures[0], secret)
			var none verdict
			telemetrytest.NoSecrets(&none, []string{"another"}, output)
			require.Empty(t, none.failures)
		})
	}

	t.Run("ASecretTooShortToLookFor", func(t *testing.T) {
		t.Parallel()
		var v verdict
		telemetrytest.NoSecrets(&v, []string{"abc"}, "x")
		require.Contains(t, v.failures[0], "too short")
	})
}

// A secret is found in base64 wherever it stands in what was encoded.
func FuzzBase64(f *testing.F) {
	f.Add("user:", "hunter2hunter2", ":x")
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if len(secret) < 8 {
			return
		}
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
			var v verdict
			telemetrytest.NoSecrets(&v, []string{secret}, e.EncodeToString([]byte(before+secret+after)))
			require.NotEmpty(t, v.failures)
		}
	})
}
