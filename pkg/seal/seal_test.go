package seal_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/seal"
)

func parse(t testing.TB, text string) seal.Keyring {
	t.Helper()
	ring, err := seal.Parse(text)
	require.NoError(t, err)
	return ring
}

func TestSealedOpensForItsPlaceOnly(t *testing.T) {
	t.Parallel()
	ring := parse(t, seal.NewKey("k1"))
	id, sealed, err := ring.Seal([]byte("the secret"), "tenant", "endpoint", "secret")
	require.NoError(t, err)
	require.Equal(t, "k1", id)
	require.NotContains(t, string(sealed), "the secret")

	plain, err := ring.Open(id, sealed, "tenant", "endpoint", "secret")
	require.NoError(t, err)
	require.Equal(t, "the secret", string(plain))

	for name, labels := range map[string][]string{
		"AnotherTenant":      {"tenan2", "endpoint", "secret"},
		"AnotherEndpoint":    {"tenant", "endpoin2", "secret"},
		"AnotherSecret":      {"tenant", "endpoint", "secre2"},
		"NoLabels":           nil,
		"BoundariesMoved":    {"tenantend", "point", "secret"},
		"BoundariesLeftAway": {"tenantendpointsecret"},
		"OneLabelMore":       {"tenant", "endpoint", "secret", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ring.Open(id, sealed, labels...)
			require.ErrorIs(t, err, seal.ErrNotAuthentic)
		})
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	t.Parallel()
	ring := parse(t, seal.NewKey("k1"))
	id, sealed, err := ring.Seal([]byte("x"), "a")
	require.NoError(t, err)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, err := ring.Open(id, changed, "a")
		require.ErrorIs(t, err, seal.ErrNotAuthentic, "byte %d", i)
		_, err = ring.Open(id, sealed[:i], "a")
		require.ErrorIs(t, err, seal.ErrNotAuthentic, "cut at %d", i)
	}
}

func TestSealingTwiceGivesDifferentBytes(t *testing.T) {
	t.Parallel()
	ring := parse(t, seal.NewKey("k1"))
	_, one, err := ring.Seal([]byte("x"))
	require.NoError(t, err)
	_, two, err := ring.Seal([]byte("x"))
	require.NoError(t, err)
	require.NotEqual(t, one, two)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	first, second := seal.NewKey("2025"), seal.NewKey("2026")
	id, sealed, err := parse(t, first).Seal([]byte("x"), "a")
	require.NoError(t, err)

	rotated := parse(t, second+","+first)
	plain, err := rotated.Open(id, sealed, "a")
	require.NoError(t, err, "the old key still opens")
	require.Equal(t, "x", string(plain))

	newID, resealed, err := rotated.Seal(plain, "a")
	require.NoError(t, err)
	require.Equal(t, "2026", newID, "the first key seals")

	retired := parse(t, second)
	_, err = retired.Open(newID, resealed, "a")
	require.NoError(t, err)
	_, err = retired.Open(id, sealed, "a")
	require.ErrorIs(t, err, seal.ErrNoKey)
	_, err = retired.Open(newID, sealed, "a")
	require.ErrorIs(t, err, seal.ErrNotAuthentic, "another key")
}

func TestEmptyRing(t *testing.T) {
	t.Parallel()
	ring := parse(t, "  ")
	require.True(t, ring.Empty())
	require.Empty(t, ring.Current())
	_, _, err := ring.Seal([]byte("x"))
	require.ErrorIs(t, err, seal.ErrNoKey)
	_, err = seal.Keyring{}.Open("", nil)
	require.ErrorIs(t, err, seal.ErrNoKey)
}

func TestParse(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte{0xfb, 0xff}, 16) // has + and / in base64
	for name, text := range map[string]string{
		"Standard":  "k:" + base64.StdEncoding.EncodeToString(key),
		"URL":       "k:" + base64.URLEncoding.EncodeToString(key),
		"NoPadding": "k:" + base64.RawURLEncoding.EncodeToString(key),
		"Spaces":    " k: " + base64.StdEncoding.EncodeToString(key) + " ",
	} {
		t.Run("Reads"+name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, "k", parse(t, text).Current())
		})
	}
	good := seal.NewKey("k1")
	for name, text := range map[string]string{
		"NoID":      ":" + strings.TrimPrefix(good, "k1:"),
		"NoColon":   strings.TrimPrefix(good, "k1:"),
		"ShortKey":  "k1:" + base64.StdEncoding.EncodeToString(key[:31]),
		"LongKey":   "k1:" + base64.StdEncoding.EncodeToString(append(key, 0)),
		"NotBase64": "k1:!" + strings.TrimPrefix(good, "k1:"),
		"Twice":     good + "," + good,
		"Trailing":  good + ",",
		"StrangeID": "k 1:" + strings.TrimPrefix(good, "k1:"),
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()
			_, err := seal.Parse(text)
			require.ErrorIs(t, err, seal.ErrKeyring)
			require.NotContains(t, err.Error(), strings.TrimPrefix(good, "k1:"), "no key in an error")
		})
	}
}

func TestKeyringIsNeverPrinted(t *testing.T) {
	t.Parallel()
	text := seal.NewKey("k1")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "k1:"))
	require.NoError(t, err)
	ring := parse(t, text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, "keyring of 1 keys (redacted)", fmt.Sprintf(verb, ring))
		require.NotContains(t, fmt.Sprintf(verb, struct{ K seal.Keyring }{ring}), string(raw))
	}
}

func FuzzOpen(f *testing.F) {
	ring := parse(f, seal.NewKey("k1"))
	_, sealed, err := ring.Seal([]byte("x"), "a")
	require.NoError(f, err)
	f.Add("k1", sealed, "a")
	f.Add("k1", sealed[:len(sealed)-1], "a")
	f.Add("k2", sealed, "a")
	f.Add("k1", []byte{}, "")
	f.Fuzz(func(t *testing.T, id string, data []byte, label string) {
		plain, err := ring.Open(id, data, label)
		if id == "k1" && label == "a" && bytes.Equal(data, sealed) {
			require.NoError(t, err)
			return
		}
		require.Error(t, err, "only what was sealed opens")
		require.Nil(t, plain)
	})
}

func FuzzParse(f *testing.F) {
	f.Add(seal.NewKey("k1"))
	f.Add(seal.NewKey("k1") + "," + seal.NewKey("k2"))
	f.Add("k1:")
	f.Fuzz(func(t *testing.T, text string) {
		ring, err := seal.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, seal.ErrKeyring)
			return
		}
		if ring.Empty() {
			return
		}
		id, sealed, err := ring.Seal([]byte("x"), "a")
		require.NoError(t, err)
		_, err = ring.Open(id, sealed, "a")
		require.NoError(t, err)
	})
}

func BenchmarkOpen(b *testing.B) {
	ring := parse(b, seal.NewKey("k1"))
	id, sealed, err := ring.Seal(make([]byte, 32), "tenant", "endpoint", "secret")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Open(id, sealed, "tenant", "endpoint", "secret"); err != nil {
			b.Fatal(err)
		}
	}
}
