package brokersign_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/brokersign"
)

var secret, other = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

func parts() brokersign.Parts {
	return brokersign.Parts{
		ID: "1", Source: "/shop", Type: "order.paid", Subject: "17", Tenant: "acme", Data: []byte(`{"order": 17}`),
		Time: time.Date(2026, 3, 29, 1, 59, 59, 123456789, time.UTC),
	}
}

// signed is the signature of parts as a producer makes it.
func signed(t testing.TB, p brokersign.Parts, key brokersign.Key) string {
	t.Helper()
	e := event.New()
	e.SetID(p.ID)
	e.SetSource(p.Source)
	e.SetType(p.Type)
	if p.Subject != "" {
		e.SetSubject(p.Subject)
	}
	e.SetTime(p.Time)
	e.DataEncoded = p.Data
	require.NoError(t, key.Sign(&e, p.Tenant))
	require.Equal(t, p.Tenant, e.Extensions()[brokersign.TenantAttribute])
	return e.Extensions()[brokersign.Attribute].(string)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	later := func(p *brokersign.Parts) { p.Time = p.Time.Add(time.Microsecond) }
	elsewhere := func(p *brokersign.Parts) { p.Time = p.Time.In(time.FixedZone("x", 3600)) }
	moved := func(p *brokersign.Parts) { p.ID, p.Source = "1/", "shop" }
	for name, c := range map[string]struct {
		change  func(p *brokersign.Parts)
		secrets [][]byte
		want    error
	}{
		"AsItWas":          {nil, [][]byte{secret}, nil},
		"AnOlderSecret":    {nil, [][]byte{other, secret}, nil},
		"ForgottenSecret":  {nil, [][]byte{other}, brokersign.ErrInvalid},
		"NoSecret":         {nil, nil, brokersign.ErrInvalid},
		"OtherID":          {func(p *brokersign.Parts) { p.ID = "2" }, [][]byte{secret}, brokersign.ErrInvalid},
		"OtherSource":      {func(p *brokersign.Parts) { p.Source = "/" }, [][]byte{secret}, brokersign.ErrInvalid},
		"OtherType":        {func(p *brokersign.Parts) { p.Type = "t" }, [][]byte{secret}, brokersign.ErrInvalid},
		"OtherSubject":     {func(p *brokersign.Parts) { p.Subject = "" }, [][]byte{secret}, brokersign.ErrInvalid},
		"OtherTenant":      {func(p *brokersign.Parts) { p.Tenant = "evil" }, [][]byte{secret}, brokersign.ErrInvalid},
		"OtherData":        {func(p *brokersign.Parts) { p.Data = nil }, [][]byte{secret}, brokersign.ErrInvalid},
		"LaterByLittle":    {later, [][]byte{secret}, brokersign.ErrInvalid},
		"TimeInMicros":     {func(p *brokersign.Parts) { p.Time = p.Time.Truncate(time.Microsecond) }, [][]byte{secret}, nil},
		"TimeOfOtherPlace": {elsewhere, [][]byte{secret}, nil},
		"MovedBetween":     {moved, [][]byte{secret}, brokersign.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := parts()
			signature := signed(t, p, brokersign.DeriveKey(secret, p.Tenant))
			if c.change != nil {
				c.change(&p)
			}
			require.ErrorIs(t, brokersign.Verify(c.secrets, p, signature), c.want)
		})
	}
	require.ErrorIs(t, brokersign.Verify([][]byte{secret}, parts(), ""), brokersign.ErrMissing)
}

// TestWireFormat holds the format to its description, which producers in other languages are written by.
func TestWireFormat(t *testing.T) {
	t.Parallel()
	key := brokersign.DeriveKey(secret, "acme")
	require.Equal(t, "hbk_qe4q6eg4yFCaF0R6b9AUaHhsyJzQ6KQ_2OQlP_qbS20", key.Reveal())
	require.Equal(t, "v1.CUO7YkPbKn1kcAoyt8MnREX1nYB2B1XBcf_ehTOiWIs", signed(t, parts(), key))
}

func TestKeys(t *testing.T) {
	t.Parallel()
	key := brokersign.DeriveKey(secret, "acme")
	same, err := brokersign.ParseKey(key.Reveal() + "\n")
	require.NoError(t, err)
	require.Equal(t, signed(t, parts(), key), signed(t, parts(), same))
	text, err := json.Marshal(map[string]any{"key": key})
	require.NoError(t, err)
	inside := struct{ K brokersign.Key }{key}
	for _, shown := range []string{string(text), fmt.Sprint(key), fmt.Sprintf("%+v %#v", key, inside)} {
		require.NotContains(t, shown, key.Reveal()[4:])
		require.Contains(t, shown, "(redacted)")
	}
	for _, bad := range []string{"", "hbk_", "hbk_AA", key.Reveal()[4:], key.Reveal() + "A", "hbk_!"} {
		_, err := brokersign.ParseKey(bad)
		require.ErrorIs(t, err, brokersign.ErrKey)
	}
	e := event.New()
	require.ErrorIs(t, brokersign.Key{}.Sign(&e, "acme"), brokersign.ErrKey)
}

func TestSigningGivesATime(t *testing.T) {
	t.Parallel()
	e := event.New()
	require.NoError(t, brokersign.DeriveKey(secret, "acme").Sign(&e, "acme"))
	require.WithinDuration(t, time.Now(), e.Time(), time.Minute)
}

func FuzzVerify(f *testing.F) {
	f.Add("1", "/s", "t", "", "acme", []byte(nil), int64(0), "")
	f.Add("1", "/s", "t", "x", "acme", []byte("{}"), int64(1e15), "v1.AAAA")
	f.Add("\x00", "/s", "t\xff", "x", "", []byte("{}"), int64(-62135596800000000), "v1.")
	f.Fuzz(func(t *testing.T, id, source, kind, subject, tenant string, data []byte, micros int64, signature string) {
		p := brokersign.Parts{
			ID: id, Source: source, Type: kind, Subject: subject, Tenant: tenant, Data: data, Time: time.UnixMicro(micros),
		}
		if brokersign.Verify([][]byte{secret, other}, p, signature) == nil {
			t.Fatalf("%q passes for a signature", signature)
		}
		_, _ = brokersign.ParseKey(signature)
	})
}
