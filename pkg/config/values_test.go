package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/config"
)

// Whatever prints a Config, or a struct that hides parts of one, shows nothing secret.
func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	secrets := []string{"hunter2", "tok%3Den", "AAECAwQF", "s3cr3t-key", "\x01\x02\x03"}
	c, err := config.Load(config.FunctionLocal, []string{
		"DATABASE_URL=postgres://u:hunter2@db:5432/homing?password=hunter2", "REDIS_URL=redis://:hunter2@r:6379/0",
		"RABBITMQ_URL=amqp://u:hunter2@r:5672/v", "HOMING_OUTBOUND_PROXY=http://u:hunter2@proxy:3128",
		"K_SINK=http://broker/?t=tok%3Den", "HOMING_ENCRYPTION_KEYS=" + key, "HOMING_API_KEY=s3cr3t-key",
	})
	require.NoError(t, err)
	hidden := struct {
		secret config.Secret
		url    config.URL
		keys   config.Keys
	}{c.Client.APIKey, c.Services.DatabaseURL, c.Security.EncryptionKeys}

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{
			c, *c, hidden, &hidden, hidden.secret, hidden.url, hidden.keys, hidden.keys[0], &hidden.secret,
		} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	marshalled, err := json.Marshal(c)
	require.NoError(t, err)
	out.Write(marshalled)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("m", "config", c, "hidden", hidden, "some", []any{hidden.secret, hidden.url, hidden.keys[0]})
	}
	for _, secret := range secrets {
		if strings.Contains(out.String(), secret) { // require.NotContains would print it all
			t.Errorf("%q can be seen", secret)
		}
	}
	require.Contains(t, out.String(), "postgres://db:5432/homing", "what is not secret can be seen")

	require.Equal(t, "postgres://u:hunter2@db:5432/homing?password=hunter2", c.Services.DatabaseURL.Reveal())
	require.Equal(t, "s3cr3t-key", c.Client.APIKey.Reveal())
	require.Len(t, c.Security.EncryptionKeys[0].Reveal(), config.KeyBytes)
}

// A value that cannot be read is not shown either, when it may be secret.
func TestErrorsShowNoSecrets(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.FunctionLocal, []string{
		"DATABASE_URL=postgres://u:hunter%2@db/homing", "RABBITMQ_URL=hunter2", "REDIS_URL=http://hunter2:hunter2@r",
		"HOMING_ENCRYPTION_KEYS=k1:hunter2", "HOMING_OUTBOUND_PROXY=://hunter2",
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter")
}

func TestURLCopies(t *testing.T) {
	t.Parallel()
	u, err := config.ParseURL("http://u:p@h/p")
	require.NoError(t, err)
	u.URL().Host = "other"
	require.Equal(t, "http://u:p@h/p", u.Reveal())
	_, err = config.ParseURL("mailto:a@b")
	require.Error(t, err)
	require.Nil(t, config.URL{}.URL())
	require.Empty(t, config.URL{}.String()+config.URL{}.Reveal()+config.Secret{}.String())
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	const raw = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	keys, err := config.ParseKeys(" k2:" + raw + " ,k1:" + strings.Repeat("_", 42) + "8=,")
	require.NoError(t, err)
	require.Equal(t, "[k2:(redacted) k1:(redacted)]", fmt.Sprint(keys))
	require.EqualValues(t, 31, keys[0].Reveal()[31])
	require.EqualValues(t, 255, keys[1].Reveal()[0])
	for text, want := range map[string]string{
		raw:                                 "has no id in entry 1",
		"k1:" + raw + ",k2:*":               "is not base64 in entry 2",
		"k1:AAEC":                           `has a key "k1" of 3 bytes, not 32; make one with`,
		"K!:" + raw:                         "has a key whose id is not",
		"k1:" + raw + ",k1:" + raw:          `has two keys with the id "k1"`,
		strings.Repeat("k", 33) + ":" + raw: "has a key whose id is not",
	} {
		_, err := config.ParseKeys(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), raw)
	}
}

func TestParseBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Bytes{
		"0": 0, "512": 512, "512B": 512, "1KiB": 1024, "1.5 KiB": 1536, "1MiB": 1 << 20, " 2GiB ": 2 << 30,
	} {
		n, err := config.ParseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "x", "-1", "1.5", "1KB", "NaN", "Inf", "1e30", "KiB"} {
		_, err := config.ParseBytes(text)
		require.Error(t, err, text)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, text := range []string{"0s", "90d", "1d12h", "1.5s", "250ms", "-1s", "d", "1dd", "99999d", "1d-1h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ParseDuration(text)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, d, time.Duration(0))
		again, err := config.ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, again)
		if std, err := time.ParseDuration(strings.TrimSpace(text)); err == nil {
			require.Equal(t, std, d, "what package time reads means the same here")
		}
	})
}

func FuzzParseSchedule(f *testing.F) {
	for _, text := range []string{"0s,5s,5m", "", ",", "1d", "0s, 1h ,", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := config.ParseSchedule(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, s)
		require.LessOrEqual(t, len(s), config.MaxAttempts)
		parts := make([]string, len(s))
		for i, d := range s {
			parts[i] = d.String()
		}
		again, err := config.ParseSchedule(strings.Join(parts, ","))
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func FuzzParsePrefixes(f *testing.F) {
	for _, text := range []string{
		"10.0.0.0/8", "10.1.2.3", "::1", "fd00::/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.0.0.1/8", "::/0", "::, ::",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prefixes, err := config.ParsePrefixes(text)
		if err != nil {
			return
		}
		for _, p := range prefixes {
			require.True(t, p.IsValid())
			require.Equal(t, p.Masked(), p)
			require.False(t, p.Addr().Is4In6())
			require.Empty(t, p.Addr().Zone())
			again, err := config.ParsePrefixes(p.String())
			require.NoError(t, err)
			require.Equal(t, config.Prefixes{p}, again)
		}
	})
}

func TestParsePrefixes(t *testing.T) {
	t.Parallel()
	p, err := config.ParsePrefixes("10.0.0.0/8, ::ffff:10.1.2.3 ,::ffff:192.168.0.0/112,fd00::/8")
	require.NoError(t, err)
	require.Equal(t, config.Prefixes{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.1.2.3/32"),
		netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd00::/8"),
	}, p)
}

func FuzzParseKeys(f *testing.F) {
	f.Add(key)
	f.Add("k1:AA==,k2")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := config.ParseKeys(text)
		if err != nil {
			return
		}
		for _, k := range keys {
			require.Len(t, k.Reveal(), config.KeyBytes)
			require.NotEmpty(t, k.ID)
		}
	})
}

func FuzzParseBytes(f *testing.F) {
	f.Add("1.5KiB")
	f.Add("-0")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := config.ParseBytes(text)
		if err == nil {
			require.GreaterOrEqual(t, int(n), 0)
		}
	})
}
