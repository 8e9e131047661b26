package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Function is what a process is.
type Function string

// The functions. Local is all of them in one process (`homing serve`), or those of [Config.Only]; command is a process
// that looks at a Homing or changes it, and ends (`homing endpoint`): it finds out what it needs when it needs it.
// Probe watches a Homing from outside.
const (
	FunctionIngest  Function = "ingest"
	FunctionDeliver Function = "deliver"
	FunctionRetry   Function = "retry"
	FunctionManage  Function = "manage"
	FunctionLocal   Function = "local"
	FunctionCommand Function = "command"
	FunctionProbe   Function = "probe"
)

// Face is which of ingest's faces a process shows.
type Face string

// The faces.
const (
	FacePublic Face = "public"
	FaceBroker Face = "broker"
	FaceBoth   Face = "both"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Face) UnmarshalText(b []byte) error {
	return oneOf(f, b, FacePublic, FaceBroker, FaceBoth)
}

// Signatures is whether brokered events must be signed.
type Signatures string

// The policies for signatures.
const (
	SignaturesOff     Signatures = "off"
	SignaturesCheck   Signatures = "check"
	SignaturesRequire Signatures = "require"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Signatures) UnmarshalText(b []byte) error {
	return oneOf(s, b, SignaturesOff, SignaturesCheck, SignaturesRequire)
}

// Handshake is whether endpoints are asked for consent.
type Handshake string

// The policies of the handshake.
const (
	HandshakeOff      Handshake = "off"
	HandshakeOptional Handshake = "optional"
	HandshakeRequired Handshake = "required"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Handshake) UnmarshalText(b []byte) error {
	return oneOf(h, b, HandshakeOff, HandshakeOptional, HandshakeRequired)
}

// LogFormat is how messages are written.
type LogFormat string

// The formats of the log.
const (
	LogAuto LogFormat = "auto"
	LogJSON LogFormat = "json"
	LogText LogFormat = "text"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *LogFormat) UnmarshalText(b []byte) error {
	return oneOf(f, b, LogAuto, LogJSON, LogText)
}

// OTLPProtocol is how OTLP is spoken.
type OTLPProtocol string

// The protocols of OTLP.
const (
	OTLPHTTP OTLPProtocol = "http/protobuf"
	OTLPGRPC OTLPProtocol = "grpc"
)

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *OTLPProtocol) UnmarshalText(b []byte) error { return oneOf(p, b, OTLPHTTP, OTLPGRPC) }

// LogLevel is from where on messages are logged.
type LogLevel slog.Level

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *LogLevel) UnmarshalText(b []byte) error {
	var name string
	if err := oneOf(&name, b, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return (*slog.Level)(l).UnmarshalText([]byte(name))
}

// oneOf sets a word that must be one of a few.
func oneOf[W ~string](to *W, b []byte, words ...W) error {
	word := W(strings.ToLower(strings.TrimSpace(string(b))))
	names := make([]string, len(words))
	for i, w := range words {
		if w == word {
			*to = w
			return nil
		}
		names[i] = string(w)
	}
	return fmt.Errorf("is %q; it can be %s", bounded(string(b)), strings.Join(names, ", "))
}

// bounded keeps what a message repeats from being long.
func bounded(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

// Bytes is a size.
type Bytes int

// units of sizes, the longest first.
var units = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// ParseBytes reads a size: "1048576", "1MiB", "1.5 GiB".
func ParseBytes(text string) (Bytes, error) {
	text = strings.TrimSpace(text)
	for _, unit := range units {
		number, ok := strings.CutSuffix(text, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= unit.size; err == nil && n >= 0 && n < math.MaxInt32*1024 && n == math.Trunc(n) {
			return Bytes(n), nil
		}
		break
	}
	return 0, fmt.Errorf("is %q; write a size like 65536, 64KiB or 1MiB", bounded(text))
}

// UnmarshalText is [ParseBytes].
func (n *Bytes) UnmarshalText(b []byte) (err error) {
	*n, err = ParseBytes(string(b))
	return err
}

// day is the unit that package time does not read.
const day = 24 * time.Hour

// ParseDuration reads what [time.ParseDuration] reads, and days first: "90d", "1d12h". It takes no negative ones.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("is %q; write a duration like 90d, 24h, 5m, 1.5s or 250ms", bounded(text))
	rest := strings.TrimSpace(text)
	var total time.Duration
	if number, after, ok := strings.Cut(rest, "d"); ok {
		days, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, bad
		}
		total = time.Duration(days) * day
		if rest = after; rest == "" {
			return total, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total > math.MaxInt64-d {
		return 0, bad
	}
	return total + d, nil
}

// Schedule is the waiting time before each attempt.
type Schedule []time.Duration

// MaxAttempts bounds the steps of a schedule.
const MaxAttempts = 100

// ParseSchedule reads durations separated by commas: "0s,5s,5m". Errors: there is none, there are more than
// MaxAttempts, or one is not a duration.
func ParseSchedule(text string) (Schedule, error) {
	parts := split(text)
	if len(parts) == 0 || len(parts) > MaxAttempts {
		return nil, fmt.Errorf("has %d steps; it must have 1 to %d", len(parts), MaxAttempts)
	}
	s := make(Schedule, len(parts))
	for i, part := range parts {
		d, err := ParseDuration(part)
		if err != nil {
			return nil, fmt.Errorf("step %d %w", i+1, err)
		}
		s[i] = d
	}
	return s, nil
}

// UnmarshalText is [ParseSchedule].
func (s *Schedule) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSchedule(string(b))
	return err
}

// Prefixes are ranges of addresses.
type Prefixes []netip.Prefix

// ParsePrefixes reads prefixes (10.0.0.0/8) and single addresses, separated by commas. IPv4 addresses mapped into
// IPv6 become IPv4. Errors name the entry, also one with bits beyond its length (10.0.0.1/8), which is most likely a
// mistake.
func ParsePrefixes(text string) (Prefixes, error) {
	var out Prefixes
	for _, part := range split(text) {
		p, err := parsePrefix(part)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// parsePrefix reads one prefix or address.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("has %q; write prefixes like 10.0.0.0/8 or single addresses", bounded(text))
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("has %q; did you mean %s?", bounded(text), p.Masked())
	}
	return p, nil
}

// UnmarshalText is [ParsePrefixes].
func (p *Prefixes) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePrefixes(string(b))
	return err
}

// Ports are TCP ports.
type Ports []uint16

// UnmarshalText reads ports separated by commas.
func (p *Ports) UnmarshalText(b []byte) error {
	*p = nil
	for _, part := range split(string(b)) {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("has %q; write ports, 1 to 65535, separated by commas", bounded(part))
		}
		*p = append(*p, uint16(n))
	}
	return nil
}

// List is some words.
type List []string

// UnmarshalText reads words separated by commas.
func (l *List) UnmarshalText(b []byte) error {
	*l = split(string(b))
	return nil
}

// parseInt and parseBool say what is wrong in words for operators.
func parseInt(text string) (any, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("is %q; write a whole number", bounded(text))
	}
	return n, nil
}

func parseBool(text string) (any, error) {
	b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
	if err != nil {
		return nil, errors.New("is neither true nor false")
	}
	return b, nil
}
