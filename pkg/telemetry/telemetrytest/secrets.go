package telemetrytest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TB is what NoSecrets needs of a test.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// minSecret is the shortest secret that is looked for: a shorter one is found by chance.
const minSecret = 4

// NoSecrets fails the test if any of the secrets can be seen in any of the outputs: as it is, in base64 (also inside
// something longer that was encoded as a whole, as in an Authorization header), in hexadecimal, escaped for a URL, or
// escaped in a string of JSON or Go.
//
// An output is a string, bytes, a buffer, an error (with all that it wraps), a prometheus.Gatherer (names, labels and
// help), spans (tracetest.SpanStubs, an *tracetest.InMemoryExporter, or sdktrace.ReadOnlySpan), or anything else: then
// what every verb of package fmt and JSON make of it. The message of a failure does not show the secret.
func NoSecrets(t TB, secrets []string, outputs ...any) {
	t.Helper()
	for i, output := range outputs {
		text, err := textOf(output)
		if err != nil {
			t.Errorf("output %d (%T) cannot be looked at: %v", i, output, err)
			continue
		}
		for j, secret := range secrets {
			if len(secret) < minSecret {
				t.Errorf("secret %d is too short to be looked for", j)
				continue
			}
			if form, at := find(text, secret); form != "" {
				t.Errorf("secret %d can be seen in output %d (%T), %s, at byte %d, after %q",
					j, i, output, form, at, before(text, at))
			}
		}
	}
}

// before returns a little of what comes before a place, to find it by.
func before(text string, at int) string { return text[max(0, at-40):at] }

// find returns how and where a secret is to be seen in a text; form is "" if it is not.
func find(text, secret string) (form string, at int) {
	for _, f := range formsOf(secret) {
		if at := strings.Index(text, f.text); at >= 0 {
			return f.name, at
		}
	}
	if at := strings.Index(strings.ToLower(text), hex.EncodeToString([]byte(secret))); at >= 0 {
		return "in hexadecimal", at
	}
	return "", 0
}

// form is a way to write a secret.
type form struct{ name, text string }

// formsOf returns the ways to write a secret, but for hexadecimal.
func formsOf(secret string) []form {
	quotedJSON, err := json.Marshal(secret)
	if err != nil {
		quotedJSON = []byte(`""`)
	}
	forms := []form{
		{"as it is", secret},
		{"escaped for a query", url.QueryEscape(secret)},
		{"escaped for a path", url.PathEscape(secret)},
		{"as a string of JSON", string(quotedJSON[1 : len(quotedJSON)-1])},
		{"as a string of Go", strconv.Quote(secret)[1 : len(strconv.Quote(secret))-1]},
		{"as a string of Go in ASCII", strconv.QuoteToASCII(secret)[1 : len(strconv.QuoteToASCII(secret))-1]},
	}
	for name, encoding := range map[string]*base64.Encoding{
		"in base64": base64.RawStdEncoding, "in base64 for URLs": base64.RawURLEncoding,
	} {
		// What stands before the secret shifts its bits: there are three ways to begin. The characters at the ends are
		// shared with what stands beside it, so they are left out.
		for shift := range 3 {
			encoded := encoding.EncodeToString(append(make([]byte, shift), secret...))
			first, last := (shift*8+5)/6, (shift+len(secret))*8/6
			if last-first >= minSecret {
				forms = append(forms, form{name, encoded[first:last]})
			}
		}
	}
	return forms
}

// textOf makes a text of an output, with everything in it that a person could get to see.
func textOf(output any) (string, error) {
	switch o := output.(type) {
	case string:
		return o, nil
	case []byte:
		return string(o), nil
	case *bytes.Buffer:
		return o.String(), nil
	case *Log:
		return o.String(), nil
	case prometheus.Gatherer:
		return exposition(o)
	case *tracetest.InMemoryExporter:
		return anything(o.GetSpans())
	case []sdktrace.ReadOnlySpan:
		return anything(tracetest.SpanStubsFromReadOnlySpans(o))
	case error:
		return o.Error() + verbs(o), nil
	default:
		return anything(o)
	}
}

// verbs is what package fmt makes of a value.
func verbs(v any) string {
	return fmt.Sprintf("%v\n%+v\n%#v\n%s\n%q\n%x", v, v, v, v, v, v)
}

// anything is what package fmt and JSON make of a value.
func anything(v any) (string, error) {
	encoded, err := json.Marshal(v)
	if err != nil { // it has a function in it, say: package fmt has to do
		encoded = nil
	}
	return verbs(v) + "\n" + string(encoded), nil
}

// exposition is what /metrics would show.
func exposition(g prometheus.Gatherer) (string, error) {
	families, err := g.Gather()
	if err != nil {
		return "", fmt.Errorf("telemetrytest: gather: %w", err)
	}
	var b strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return "", fmt.Errorf("telemetrytest: %w", err)
		}
	}
	return b.String(), nil
}
