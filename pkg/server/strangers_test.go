package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/server"
)

func from(address string, forwarded ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	return r
}

func TestVisitor(t *testing.T) {
	t.Parallel()
	s := server.NewStrangers(1, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		time.Now)
	visitor := func(address string, forwarded ...string) [16]byte { return s.Visitor(from(address, forwarded...)) }
	client := visitor("192.0.2.7:1")
	for name, c := range map[string]struct {
		got  [16]byte
		same bool
	}{
		"AnotherPort":            {visitor("192.0.2.7:2"), true},
		"MappedIntoIPv6":         {visitor("[::ffff:192.0.2.7]:2"), true},
		"ByATrustedProxy":        {visitor("10.1.2.3:1", "192.0.2.7"), true},
		"ByTwo":                  {visitor("10.1.2.3:1", "192.0.2.7, 10.9.9.9"), true},
		"InTwoHeaders":           {visitor("[fd00::1]:1", "192.0.2.7", "10.9.9.9"), true},
		"WithALieBefore":         {visitor("10.1.2.3:1", "198.51.100.1, 192.0.2.7"), true},
		"OthersAreNotBelieved":   {visitor("192.0.2.7:1", "198.51.100.1"), true},
		"Another":                {visitor("192.0.2.8:1"), false},
		"AnotherByATrustedProxy": {visitor("10.1.2.3:1", "192.0.2.8"), false},
		"NotAnAddress":           {visitor("10.1.2.3:1", "192.0.2.7, unknown"), false},
	} {
		require.Equal(t, c.same, c.got == client, name)
	}
	require.Equal(t, visitor("[2001:db8::1]:1"), visitor("[2001:db8::ffff:1]:1"), "a /64 is one")
	require.NotEqual(t, visitor("[2001:db8::1]:1"), visitor("[2001:db8:0:1::1]:1"))
	require.NotPanics(t, func() { visitor("pipe", "x") })
}

func TestStrangersDoNotHarmThoseWhoAreKnown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC)
	s := server.NewStrangers(3, nil, func() time.Time { return now })
	good, fresh, wrong := [32]byte{1}, [32]byte{2}, [32]byte{3}
	s.Good(good)
	r := from("192.0.2.7:1")
	var header http.Header
	for n := range 5 {
		header = http.Header{}
		retry, ok := s.Wrong(r, wrong, header)
		require.Equal(t, n < 3, ok, n)
		require.Equal(t, 50*time.Second, retry)
	}
	require.Equal(t, http.Header{
		"Ratelimit-Limit": {"3"}, "Ratelimit-Remaining": {"0"}, "Ratelimit-Reset": {"50"}, "Ratelimit-Policy": {"3;w=60"},
	}, header)

	admit := func(r *http.Request, key [32]byte) (done func(), ok bool) {
		done, _, ok = s.Admit(r, key)
		return done, ok
	}
	_, ok := admit(r, [32]byte{})
	require.False(t, ok, "without a key there is nothing to look up")
	_, ok = admit(r, good)
	require.True(t, ok, "a known key is let through")
	_, ok = admit(from("192.0.2.8:1"), wrong)
	require.True(t, ok, "others are")
	done, ok := admit(r, fresh)
	require.True(t, ok, "a key that may be good is looked up")
	_, ok = admit(r, wrong)
	require.False(t, ok, "one at a time")
	done()
	done, ok = admit(r, wrong)
	require.True(t, ok)
	done()

	_, _ = s.Wrong(r, good, header)
	done, ok = admit(r, good)
	require.True(t, ok)
	_, ok = admit(r, good)
	require.False(t, ok, "a key that was revoked is not known any more")
	done()
	now = now.Add(time.Minute)
	_, ok = admit(r, [32]byte{})
	require.True(t, ok, "the next minute begins anew")
}

func FuzzVisitor(f *testing.F) {
	f.Add("10.0.0.1:80", "1.2.3.4, ::1")
	f.Add("", ",,")
	everybody := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	s := server.NewStrangers(1, everybody, time.Now)
	f.Fuzz(func(_ *testing.T, address, forwarded string) { s.Visitor(from(address, forwarded)) })
}
