package dispatch

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func mustAddrPort(tb testing.TB, text string) netip.AddrPort {
	tb.Helper()
	ap, err := netip.ParseAddrPort(text)
	require.NoError(tb, err)
	return ap
}

// edges are the first and last address of each range that is not the public internet, and the addresses just outside,
// "" where the neighbour is a range of the table itself. Written out, not computed from the code's own table.
var edges = []struct{ name, before, first, last, after string }{
	{"this network", "", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
	{"private 10", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
	{"carrier", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
	{"loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
	{"link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
	{"private 172", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
	{"protocols", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
	{"documentation 1", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
	{"AS112", "192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"},
	{"AMT", "192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"},
	{"6to4 relay", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
	{"private 192", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
	{"AS112 direct", "192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"},
	{"benchmarks", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
	{"documentation 2", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
	{"documentation 3", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
	{"multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", ""},
	{"reserved", "", "240.0.0.0", "255.255.255.254", ""},
	{"broadcast", "", "255.255.255.255", "255.255.255.255", ""},
	{"Azure's host", "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},

	{"unspecified", "", "::", "::", ""},
	{"loopback 6", "", "::1", "::1", ""},
	{"IPv4-compatible", "", "::2", "::ffff:ffff", ""},
	{"translated", "", "::ffff:0:0:0", "::ffff:0:ffff:ffff", ""},
	{"NAT64", "", "64:ff9b::", "64:ff9b::ffff:ffff", ""},
	{"NAT64 local", "", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", ""},
	{"discard", "", "100::", "100::ffff:ffff:ffff:ffff", ""},
	{"dummy", "", "100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", ""},
	{"all before global unicast", "", "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
	{"Teredo", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"protocols 6", "", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
	{"documentation 6", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::",
		"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
	{"6to4", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
	{"AS112 6", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::",
		"2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"},
	{"documentation 6 new", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::",
		"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
	{"all after global unicast", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::",
		"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"segment identifiers", "", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"unique local", "", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"link-local 6", "", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"site-local", "", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	{"multicast 6", "", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
}

func TestGuardRefusesEverythingThatIsNotThePublicInternet(t *testing.T) {
	t.Parallel()
	g := newGuard(t, GuardConfig{})
	for _, e := range edges {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for _, inside := range []string{e.first, e.last} {
				err := g.CheckAddr(netip.MustParseAddr(inside))
				require.ErrorIs(t, err, outcome.ErrBlocked, inside)
				require.Equal(t, webhook.OutcomeBlocked, outcome.OfError(err))
				require.Contains(t, err.Error(), SettingAllowAddresses, "the refusal names the setting")
				require.NotContains(t, err.Error(), inside, "the refusal does not give the address away")
			}
			for _, outside := range []string{e.before, e.after} {
				if outside != "" {
					require.NoError(t, g.CheckAddr(netip.MustParseAddr(outside)), outside)
				}
			}
		})
	}
}

func TestGuardTakesIPv4InIPv6ForWhatItIs(t *testing.T) {
	t.Parallel()
	g := newGuard(t, GuardConfig{
		Allow: prefixes(t, "10.1.0.0/16", "::ffff:10.2.0.0/112"), Deny: prefixes(t, "8.8.4.0/24"),
	})
	for _, text := range []string{
		"127.0.0.1", "10.1.2.3", "10.2.3.4", "10.3.4.5", "8.8.8.8", "8.8.4.4", "169.254.169.254",
	} {
		v4 := netip.MustParseAddr(text)
		require.Equal(t, g.CheckAddr(v4), g.CheckAddr(netip.AddrFrom16(v4.As16())), text)
	}
	require.NoError(t, g.CheckAddr(netip.MustParseAddr("::ffff:10.2.3.4")))
}

func TestGuardAllowList(t *testing.T) {
	t.Parallel()
	check := func(c GuardConfig, addr string) error { return newGuard(t, c).CheckAddr(netip.MustParseAddr(addr)) }
	t.Run("LetsThroughWhatItNames", func(t *testing.T) {
		t.Parallel()
		c := GuardConfig{Allow: prefixes(t, "10.0.0.0/8", "fd00:1::/32", "127.0.0.1")}
		require.NoError(t, check(c, "10.200.0.1"))
		require.NoError(t, check(c, "fd00:1::5"))
		require.NoError(t, check(c, "127.0.0.1"))
		require.ErrorIs(t, check(c, "127.0.0.2"), outcome.ErrBlocked)
		require.ErrorIs(t, check(c, "fd00:2::5"), outcome.ErrBlocked)
	})
	t.Run("LosesAgainstTheDenyList", func(t *testing.T) {
		t.Parallel()
		c := GuardConfig{Allow: prefixes(t, "10.0.0.0/8"), Deny: prefixes(t, "10.96.0.0/12", "34.118.224.0/20")}
		require.NoError(t, check(c, "10.0.0.1"))
		for _, denied := range []string{"10.96.0.1", "34.118.224.1", "2002:2276:e001::1", "64:ff9b::34.118.224.1"} {
			require.ErrorContains(t, check(c, denied), SettingDenyAddresses, denied)
		}
		require.NoError(t, check(c, "34.118.223.255"))
	})
	t.Run("OpensMetadataOnlyByTheirVeryAddress", func(t *testing.T) {
		t.Parallel()
		wide := GuardConfig{Allow: prefixes(t, "0.0.0.0/0", "::/0", "169.254.0.0/16", "169.254.169.254/31")}
		for _, service := range []string{"169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254",
			"fd20:ce::254", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::"} {
			require.ErrorIs(t, check(wide, service), outcome.ErrBlocked, service)
		}
		require.NoError(t, check(wide, "169.254.169.253"))
		exact := GuardConfig{Allow: prefixes(t, "169.254.169.254", "fd00:ec2::254/128")}
		require.NoError(t, check(exact, "169.254.169.254"))
		require.NoError(t, check(exact, "fd00:ec2::254"))
	})
	t.Run("LooksIntoCarriersOfIPv4", func(t *testing.T) {
		t.Parallel()
		c := GuardConfig{Allow: prefixes(t, "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0:0/96")}
		for _, public := range []string{"64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "2002:808:808::1",
			"2001:0:1::f7f7:f7f7", "::ffff:0:8.8.8.8"} {
			require.NoError(t, check(c, public), public)
		}
		for _, private := range []string{"64:ff9b::10.0.0.1", "64:ff9b:1::127.0.0.1", "2002:a00:1::1",
			"2001:0:1::f5ff:fffe", "::ffff:0:192.168.0.1"} {
			require.ErrorIs(t, check(c, private), outcome.ErrBlocked, private)
		}
	})
	t.Run("NeverLetsAZoneThrough", func(t *testing.T) {
		t.Parallel()
		c := GuardConfig{Allow: prefixes(t, "::/0", "fe80::/10", "0.0.0.0/0")}
		for _, zoned := range []string{"fe80::1%eth0", "2a00::1%1", "::ffff:8.8.8.8%eth0"} {
			require.ErrorIs(t, check(c, zoned), outcome.ErrBlocked, zoned)
		}
	})
}

func TestGuardPorts(t *testing.T) {
	t.Parallel()
	g := newGuard(t, GuardConfig{})
	for _, port := range []uint16{80, 443, 591, 8000, 8080, 8443, 9443, 30080, 65535} {
		require.NoError(t, g.CheckPort(port), port)
	}
	for _, port := range []uint16{0, 1, 22, 25, 53, 445, 2375, 2379, 5432, 5672, 6379, 6667, 10250, 11211, 27017} {
		require.ErrorIs(t, g.CheckPort(port), outcome.ErrBlocked, port)
	}
	require.ErrorContains(t, g.Check(mustAddrPort(t, "8.8.8.8:25")), SettingAllowPorts)
	allowing := newGuard(t, GuardConfig{AllowPorts: []uint16{6379, 0}})
	require.NoError(t, allowing.CheckPort(6379))
	require.Error(t, allowing.CheckPort(5432))
	require.Error(t, allowing.CheckPort(0))
	require.Contains(t, refusedPorts, uint16(6379), "a guard does not change the table of all")
}

func TestGuardChecksWhatIsConnectedTo(t *testing.T) {
	t.Parallel()
	g := newGuard(t, GuardConfig{})
	control := func(network, address string) error { return g.control(context.Background(), network, address, nil) }
	require.NoError(t, control("tcp4", "8.8.8.8:443"))
	require.NoError(t, control("tcp6", "[2a00:1450::1]:80"))
	for _, refused := range [][2]string{{"tcp4", "127.0.0.1:443"}, {"tcp6", "[::1]:443"}, {"tcp6", "[fe80::1%lo]:443"},
		{"tcp4", "8.8.8.8:22"}, {"udp4", "8.8.8.8:443"}, {"unix", "/run/docker.sock"}, {"tcp4", "receiver.example:443"}} {
		require.ErrorIs(t, control(refused[0], refused[1]), outcome.ErrBlocked, refused)
	}
}

func TestNewGuardRefusesWhatItCannotHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]GuardConfig{
		SettingAllowAddresses: {Allow: []netip.Prefix{{}}},
		SettingDenyAddresses:  {Deny: []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/80")}},
		SettingAllowPorts:     {AllowPorts: make([]uint16, MaxPrefixes+1)},
	} {
		_, err := NewGuard(c)
		require.ErrorContains(t, err, name)
	}
	_, err := NewGuard(GuardConfig{Deny: make([]netip.Prefix, MaxPrefixes+1)})
	require.ErrorContains(t, err, "more than")
}

func FuzzGuard(f *testing.F) {
	for _, seed := range []string{
		"127.0.0.1", "8.8.8.8", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::1", "fe80::1%e", "2002::",
	} {
		a := netip.MustParseAddr(seed)
		f.Add(a.AsSlice(), a.Zone(), uint16(443))
	}
	strict, err := NewGuard(GuardConfig{})
	require.NoError(f, err)
	open, err := NewGuard(GuardConfig{
		Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw []byte, zone string, port uint16) {
		addr, _ := netip.AddrFromSlice(raw)
		for _, g := range []*Guard{strict, open} {
			verdict := g.Check(netip.AddrPortFrom(addr, port))
			if verdict != nil {
				require.ErrorIs(t, verdict, outcome.ErrBlocked)
			}
			if addr.Is4() {
				mapped := netip.AddrFrom16(addr.As16())
				require.Equal(t, verdict, g.Check(netip.AddrPortFrom(mapped, port)))
				require.True(t, verdict == nil || g.CheckAddr(addr) != nil || g.CheckPort(port) != nil)
			}
			if zone != "" && addr.Is6() {
				require.Error(t, g.CheckAddr(addr.WithZone(zone)))
			}
		}
		// What the standard library knows to be special is refused, however it is written.
		known := addr.Unmap()
		if known.IsPrivate() || known.IsLoopback() || known.IsLinkLocalUnicast() || known.IsMulticast() ||
			known.IsUnspecified() || !addr.IsValid() {
			require.Error(t, strict.CheckAddr(addr))
		}
		if addr.IsValid() && netip.MustParsePrefix("10.0.0.0/8").Contains(known) {
			require.Error(t, open.CheckAddr(addr))
		}
	})
}
