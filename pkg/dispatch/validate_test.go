package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestValidateURL(t *testing.T) {
	t.Parallel()
	g := newGuard(t, GuardConfig{Allow: prefixes(t, "10.0.0.0/8")})
	for _, good := range []string{
		"https://receiver.example/hooks", "http://receiver.example", "HTTPS://Receiver.Example:8443/a?b=c&d=%20",
		"https://8.8.8.8/", "https://[2a00:1450:4001:80b::200e]:443/", "http://10.1.2.3:8080/", "https://receiver.example./",
		"https://a_b.receiver.example/", "https://xn--bcher-kva.example/", "https://intranet/", "https://3com.com/x",
		"https://" + strings.Repeat("a", 63) + ".example/",
	} {
		require.NoError(t, ValidateURL(good, g), good)
	}
	for bad, problem := range map[string]string{
		"":                                                       "http",
		"receiver.example/hooks":                                 "http",
		"ftp://receiver.example/":                                "http",
		"file:///etc/passwd":                                     "http",
		"gopher://receiver.example/":                             "http",
		"unix:///run/docker.sock":                                "http",
		"http:receiver.example":                                  "host",
		"https:///hooks":                                         "host",
		"https://:443/":                                          "host",
		"https://user:hunter2@r.example/":                        "user name",
		"https://user@r.example/":                                "user name",
		"https://@r.example/":                                    "user name",
		"https://r.example/#hunter2":                             "fragment",
		"https://r.example/#":                                    "fragment",
		"https://r.example:/":                                    "port",
		"https://r.example:0/":                                   "port",
		"https://r.example:65536/":                               "port",
		"https://r.example:http/":                                "not a URL",
		"https://r.example:6379/":                                SettingAllowPorts,
		"https://r.example/a b":                                  "printable",
		"https://r.example/\r\nX-Evil: 1":                        "printable",
		"https://bücher.example/":                                "xn--",
		"https://r..example/":                                    "host",
		"https://r.example/%zz":                                  "not a URL",
		"https://[::1/":                                          "not a URL",
		"https://127.0.0.1/":                                     SettingAllowAddresses,
		"https://[::1]/":                                         SettingAllowAddresses,
		"https://[::ffff:127.0.0.1]/":                            SettingAllowAddresses,
		"https://[64:ff9b::7f00:1]/":                             SettingAllowAddresses,
		"https://[fe80::1%25eth0]/":                              "zone",
		"https://localhost/":                                     SettingAllowAddresses,
		"https://LOCALHOST.:8080/":                               SettingAllowAddresses,
		"https://api.Localhost/":                                 SettingAllowAddresses,
		"http://169.254.169.254/latest":                          SettingAllowAddresses,
		"http://2130706433/":                                     "ends in a number",
		"http://0x7f000001/":                                     "ends in a number",
		"http://017700000001/":                                   "ends in a number",
		"http://127.1/":                                          "ends in a number",
		"http://0x7f.1/":                                         "ends in a number",
		"http://127.0.0.1.:80/":                                  "ends in a number",
		"http://1.2.3.08/":                                       "ends in a number",
		"http://r.example%2f@127.0.0.1/":                         "user name",
		"http://[::ffff:7f00:1%2525lo]/":                         "zone",
		"https://" + strings.Repeat("a", 64) + ".example/":       "host",
		"https://" + strings.Repeat("a.", 127) + "example/":      "host",
		"https://r.example/" + strings.Repeat("a", MaxURLLength): "longer",
	} {
		err := ValidateURL(bad, g)
		var field *FieldError
		require.ErrorAs(t, err, &field, bad)
		require.Equal(t, "url", field.Field)
		require.ErrorContains(t, err, problem, bad)
		require.ErrorIs(t, err, outcome.ErrConfig)
		require.Equal(t, webhook.OutcomeConfig, outcome.OfError(err))
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "r.example")
	}
}

func TestValidateHeaders(t *testing.T) {
	t.Parallel()
	require.NoError(t, ValidateHeaders(nil))
	require.NoError(t, ValidateHeaders(map[string]string{
		"Authorization": "Bearer hunter2", "x-api-key": "k", "Cookie": "a=b", "User-Agent": "mine",
		"Accept": "*/*", "X-Empty": "",
		"X-Tab": "a\tb",
	}))
	for _, reserved := range []string{
		"Host", "host", "Content-Type", "content-length", "Content-Encoding", "Transfer-Encoding", "Connection", "Keep-Alive",
		"Trailer", "TE", "Upgrade", "HTTP2-Settings", "Expect", "Proxy-Authorization", "proxy-connection", "webhook-id",
		"Webhook-Signature", "ce-id", "CE-anything", "homing-replay", "Idempotency-Key", "x-idempotency-key", "traceparent",
		"Tracestate", "Metadata-Flavor", "Metadata", "X-aws-ec2-metadata-token",
	} {
		err := ValidateHeaders(map[string]string{reserved: "v"})
		var field *FieldError
		require.ErrorAs(t, err, &field, reserved)
		require.Equal(t, "headers."+reserved, field.Field)
		require.ErrorContains(t, err, "may not be set")
	}
	many := map[string]string{}
	for i := range MaxHeaders + 1 {
		many[fmt.Sprintf("X-%d", i)] = "v"
	}
	large := map[string]string{}
	for i := range 5 {
		large[fmt.Sprintf("X-%d", i)] = strings.Repeat("v", MaxHeaderValueBytes)
	}
	for name, c := range map[string]struct {
		headers map[string]string
		field   string
		problem string
	}{
		"TooMany":        {many, "headers", "more than"},
		"TooLarge":       {large, "headers", "bytes"},
		"NoName":         {map[string]string{"": "hunter2"}, "headers", "not the name"},
		"NoToken":        {map[string]string{"X Y": "hunter2"}, "headers", "not the name"},
		"Injection":      {map[string]string{"X\r\nHost: evil": "hunter2"}, "headers", "not the name"},
		"PseudoHeader":   {map[string]string{":authority": "hunter2"}, "headers", "not the name"},
		"LongName":       {map[string]string{strings.Repeat("x", MaxHeaderNameBytes+1): ""}, "headers", "not the name"},
		"LongValue":      {map[string]string{"X": strings.Repeat("v", MaxHeaderValueBytes+1)}, "headers.X", "value"},
		"ValueInjection": {map[string]string{"X": "hunter2\r\nHost: evil"}, "headers.X", "value"},
		"ValueNUL":       {map[string]string{"X": "hunter2\x00"}, "headers.X", "value"},
		"ValueNotASCII":  {map[string]string{"X": "hunter2é"}, "headers.X", "value"},
		"ValuePadded":    {map[string]string{"X": " hunter2"}, "headers.X", "value"},
		"Twice":          {map[string]string{"x-a": "hunter2", "X-A": "2"}, "headers.x-a", "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ValidateHeaders(c.headers)
			var field *FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, c.field, field.Field)
			require.Contains(t, field.Problem, c.problem)
			require.ErrorIs(t, err, outcome.ErrConfig)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func FuzzValidateURL(f *testing.F) {
	for _, seed := range []string{
		"https://r.example/a?b#c", "http://127.1", "https://[::1]:80", "http://a@b", "http://0x.0x",
	} {
		f.Add(seed)
	}
	g, err := NewGuard(GuardConfig{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw string) {
		if err := ValidateURL(raw, g); err != nil {
			require.ErrorIs(t, err, outcome.ErrConfig)
			return
		}
		u, err := parseURL(raw)
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.Nil(t, u.User)
		require.NotEmpty(t, u.Hostname())
		require.Empty(t, u.Fragment)
	})
}
