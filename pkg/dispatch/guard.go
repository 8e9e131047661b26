package dispatch

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The settings that a refusal names, so that whoever reads it knows what to change.
const (
	SettingAllowAddresses = "HOMING_ALLOW_ADDRESSES"
	SettingDenyAddresses  = "HOMING_DENY_ADDRESSES"
	SettingAllowPorts     = "HOMING_ALLOW_PORTS"
)

// MaxPrefixes bounds each list of a guard, and the ports too.
const MaxPrefixes = 1024

// GuardConfig says what a [Guard] allows beyond the public internet, and what it refuses of it.
type GuardConfig struct {
	// Deny is refused whatever else is said: the ranges of a cluster that look public. Default: none.
	Deny []netip.Prefix
	// Allow is let through although it is not public: 10.0.0.0/8 for receivers in one's own network, say. An address
	// that serves a cloud's metadata is let through only by a prefix of that one address, never by a wider one. Where
	// a prefix of IPv6 carries IPv4 addresses (NAT64, say) the IPv4 address inside must pass as well. Default: none.
	Allow []netip.Prefix
	// AllowPorts are let through although they belong to other protocols than HTTP; see the package comment. Default:
	// none.
	AllowPorts []uint16
}

// Guard decides which addresses may be called. It is immutable and safe for concurrent use.
type Guard struct {
	deny, allow []netip.Prefix
	ports       []uint16 // those refused, sorted
}

// NewGuard makes a guard. Errors: a prefix that is not valid, or a list longer than [MaxPrefixes].
func NewGuard(c GuardConfig) (*Guard, error) {
	if len(c.AllowPorts) > MaxPrefixes {
		return nil, fmt.Errorf("dispatch: guard: %s: more than %d ports", SettingAllowPorts, MaxPrefixes)
	}
	deny, err := normalize(SettingDenyAddresses, c.Deny)
	if err != nil {
		return nil, err
	}
	allow, err := normalize(SettingAllowAddresses, c.Allow)
	if err != nil {
		return nil, err
	}
	ports := slices.DeleteFunc(slices.Clone(refusedPorts), func(p uint16) bool { return slices.Contains(c.AllowPorts, p) })
	slices.Sort(ports)
	return &Guard{deny: deny, allow: allow, ports: ports}, nil
}

// normalize writes prefixes in one way: masked, and IPv4 as IPv4 however it was written.
func normalize(setting string, prefixes []netip.Prefix) ([]netip.Prefix, error) {
	if len(prefixes) > MaxPrefixes {
		return nil, fmt.Errorf("dispatch: guard: %s: more than %d prefixes", setting, MaxPrefixes)
	}
	out := make([]netip.Prefix, 0, len(prefixes))
	for _, p := range prefixes {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if !p.IsValid() || p.Addr().Is4In6() {
			return nil, fmt.Errorf("dispatch: guard: %s: %q is not a valid prefix", setting, p)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// blocked is a refusal. Its text is for the owner of the endpoint, and names neither the URL nor the address: whoever
// can make names resolve would learn the addresses inside our network from it.
func blocked(reason string) error {
	return &outcome.Error{Outcome: webhook.OutcomeBlocked, Text: reason, Err: outcome.ErrBlocked}
}

// Check says whether an address and port may be called. It is a pure function. Errors: [outcome.ErrBlocked].
func (g *Guard) Check(ap netip.AddrPort) error {
	if err := g.CheckPort(ap.Port()); err != nil {
		return err
	}
	return g.CheckAddr(ap.Addr())
}

// CheckPort says whether a port may be called at any address. Errors: [outcome.ErrBlocked].
func (g *Guard) CheckPort(port uint16) error {
	if _, refused := slices.BinarySearch(g.ports, port); refused || port == 0 {
		return blocked("port " + strconv.Itoa(int(port)) + " belongs to another protocol than HTTP" +
			allowedBy(SettingAllowPorts))
	}
	return nil
}

// CheckAddr says whether an address may be called. Errors: [outcome.ErrBlocked].
func (g *Guard) CheckAddr(addr netip.Addr) error {
	if reason := g.refuse(addr); reason != "" {
		return blocked(reason)
	}
	return nil
}

// refuse returns why an address is refused, "" when it is not.
func (g *Guard) refuse(addr netip.Addr) string {
	if !addr.IsValid() {
		return "not an IP address"
	}
	if addr.Zone() != "" {
		return "the address has an IPv6 zone (RFC 4007), which only means something on one link"
	}
	addr = addr.Unmap()
	inner, hasInner := embedded(addr)
	if contains(g.deny, addr) || hasInner && contains(g.deny, inner) {
		return "the address is on the operator's deny-list (" + SettingDenyAddresses + ")"
	}
	special, isSpecial := lookUp(addr)
	if !g.allows(addr, special) {
		if isSpecial {
			return "the address is " + special.what + allowedBy(SettingAllowAddresses)
		}
		return ""
	}
	if hasInner {
		return g.refuse(inner)
	}
	return ""
}

// allows reports whether the allow-list names an address of a special range, or of none.
func (g *Guard) allows(addr netip.Addr, r special) bool {
	for _, p := range g.allow {
		if p.Contains(addr) && (!r.exactOnly || p.IsSingleIP()) {
			return true
		}
	}
	return false
}

// control is the last thing done before the operating system connects, with the very address that it will connect to:
// whatever a name resolved to before, or resolves to later, does not matter. It fits net.Dialer.ControlContext.
func (g *Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return blocked("not an IP address and TCP port")
	}
	return g.Check(ap)
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func allowedBy(setting string) string { return "; the operator can allow it with " + setting }
