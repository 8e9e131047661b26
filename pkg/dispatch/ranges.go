package dispatch

import "net/netip"

// special is a range of addresses that is not the public internet.
type special struct {
	prefix netip.Prefix
	what   string
	// exactOnly: a prefix of the allow-list counts only if it is this one address.
	exactOnly bool
}

// specials is what is refused unless allowed: everything of the IANA IPv4 and IPv6 Special-Purpose Address Registries
// (RFC 6890; https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-), multicast, and the addresses by
// which the clouds serve metadata and credentials. The narrower range comes first.
var specials = []special{
	metadata("169.254.169.254/32"), // AWS, Google, Azure, Oracle and most others
	metadata("169.254.170.2/32"),   // AWS: credentials of containers
	metadata("169.254.170.23/32"),  // AWS: identities of pods
	metadata("168.63.129.16/32"),   // Azure: looks public, is the host
	metadata("100.100.100.200/32"), // Alibaba
	metadata("192.0.0.192/32"),     // Oracle
	metadata("fd00:ec2::254/128"),  // AWS
	metadata("fd00:ec2::23/128"),   // AWS: identities of pods
	metadata("fd20:ce::254/128"),   // Google

	is("0.0.0.0/8", "of this network (RFC 791, section 3.2)"),
	is("10.0.0.0/8", "private (RFC 1918)"),
	is("100.64.0.0/10", "shared between a carrier's customers (RFC 6598)"),
	is("127.0.0.0/8", "loopback (RFC 1122, section 3.2.1.3)"),
	is("169.254.0.0/16", "link-local (RFC 3927)"),
	is("172.16.0.0/12", "private (RFC 1918)"),
	is("192.0.0.0/24", "for protocols of the IETF (RFC 6890, section 2.1)"),
	is("192.0.2.0/24", "for documentation (RFC 5737)"),
	is("192.31.196.0/24", "an AS112 sink (RFC 7535)"),
	is("192.52.193.0/24", "a multicast relay (RFC 7450)"),
	is("192.88.99.0/24", "a 6to4 relay (RFC 7526)"),
	is("192.168.0.0/16", "private (RFC 1918)"),
	is("192.175.48.0/24", "an AS112 sink (RFC 7534)"),
	is("198.18.0.0/15", "for benchmarks (RFC 2544)"),
	is("198.51.100.0/24", "for documentation (RFC 5737)"),
	is("203.0.113.0/24", "for documentation (RFC 5737)"),
	is("224.0.0.0/4", "multicast (RFC 5771)"),
	is("255.255.255.255/32", "broadcast (RFC 919, section 7)"),
	is("240.0.0.0/4", "reserved (RFC 1112, section 4)"),

	is("::/128", "unspecified (RFC 4291, section 2.5.2)"),
	is("::1/128", "loopback (RFC 4291, section 2.5.3)"),
	is("64:ff9b::/96", "an IPv4 address behind NAT64 (RFC 6052)"),
	is("64:ff9b:1::/48", "an IPv4 address behind NAT64 (RFC 8215)"),
	is("::ffff:0:0:0/96", "a translated IPv4 address (RFC 2765)"),
	is("100::/64", "discarded (RFC 6666)"),
	is("100:0:0:1::/64", "a dummy (RFC 9780)"),
	is("2001::/32", "an IPv4 address behind Teredo (RFC 4380)"),
	is("2001:db8::/32", "for documentation (RFC 3849)"),
	is("2001::/23", "for protocols of the IETF (RFC 2928)"),
	is("2002::/16", "an IPv4 address behind 6to4 (RFC 3056)"),
	is("2620:4f:8000::/48", "an AS112 sink (RFC 7534)"),
	is("3fff::/20", "for documentation (RFC 9637)"),
	is("5f00::/16", "a segment identifier (RFC 9602)"),
	is("fc00::/7", "unique local (RFC 4193)"),
	is("fe80::/10", "link-local (RFC 4291, section 2.5.6)"),
	is("fec0::/10", "site-local (RFC 3879)"),
	is("ff00::/8", "multicast (RFC 4291, section 2.7)"),
}

// globalUnicast is all of IPv6 that has been given out for use on the public internet (RFC 4291, section 2.4, and
// IANA's IPv6 address space registry); what lies outside is refused, known or not.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func is(prefix, what string) special {
	return special{prefix: netip.MustParsePrefix(prefix), what: what}
}

func metadata(prefix string) special {
	return special{prefix: netip.MustParsePrefix(prefix), what: "a cloud's metadata service", exactOnly: true}
}

// lookUp returns the special range of an address that is not an IPv4 address written as IPv6.
func lookUp(addr netip.Addr) (special, bool) {
	for _, s := range specials {
		if s.prefix.Contains(addr) {
			return s, true
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return special{what: "outside of IPv6's global unicast (RFC 4291, section 2.4)"}, true
	}
	return special{}, false
}

// carriers are the ranges of IPv6 that carry an IPv4 address, and at which byte. In 64:ff9b:1::/48 the place is for
// each network to choose; the prefix of 96 bits is the one in use (RFC 6052, section 2.2).
var carriers = []struct {
	prefix   netip.Prefix
	at       int
	inverted bool
}{
	{prefix: netip.MustParsePrefix("64:ff9b::/96"), at: 12},
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: 12},
	{prefix: netip.MustParsePrefix("::ffff:0:0:0/96"), at: 12},
	{prefix: netip.MustParsePrefix("2002::/16"), at: 2},
	{prefix: netip.MustParsePrefix("2001::/32"), at: 12, inverted: true},
}

// embedded returns the IPv4 address that an IPv6 address carries.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	for _, c := range carriers {
		if !c.prefix.Contains(addr) {
			continue
		}
		all := addr.As16()
		v4 := [4]byte(all[c.at : c.at+4])
		if c.inverted {
			for i := range v4 {
				v4[i] = ^v4[i]
			}
		}
		return netip.AddrFrom4(v4), true
	}
	return netip.Addr{}, false
}

// refusedPorts are the ports that the Fetch standard keeps browsers from ("port blocking",
// https://fetch.spec.whatwg.org/#port-blocking), and those of stores, brokers and cluster agents, which people expose
// by mistake and which do harm on a well-aimed POST.
var refusedPorts = []uint16{
	1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
	113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
	554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566,
	6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,

	445,        // SMB
	1433, 1521, // SQL Server, Oracle
	2375, 2376, 2379, 2380, 10250, 10255, // Docker, etcd, kubelet
	3306, 5432, 6379, 9042, 11211, 27017, // MySQL, PostgreSQL, Redis, Cassandra, memcached, MongoDB
	3389, 5900, // RDP, VNC
	5671, 5672, 9092, // AMQP, Kafka
}
