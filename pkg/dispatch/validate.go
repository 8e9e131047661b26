package dispatch

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// The bounds of what an endpoint may be registered with.
const (
	MaxURLLength        = 2048
	MaxHeaders          = 32
	MaxHeaderNameBytes  = 128
	MaxHeaderValueBytes = 4096
	MaxHeaderBytes      = 16384 // names and values of all headers together
)

// FieldError names what is wrong with an endpoint, for whoever registers it. Its text holds no URL and no header's
// value, which may be credentials. It wraps [outcome.ErrConfig].
type FieldError struct {
	// Field is "url", "headers", or "headers." and the name of one.
	Field string
	// Problem says what is wrong with it.
	Problem string
}

// Error implements error.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Unwrap makes an attempt that fails because of it a config_error with this text.
func (e *FieldError) Unwrap() error {
	return &outcome.Error{Outcome: webhook.OutcomeConfig, Text: e.Error(), Err: outcome.ErrConfig}
}

// ValidateURL checks a URL at registration: http or https, a host, no user information, no fragment, a port that the
// guard lets through, at most [MaxURLLength] bytes of printable ASCII. Addresses written out and localhost (RFC 6761,
// section 6.3) are checked by the guard at once; names only when they are called, for they may mean something else by
// then. Errors: *[FieldError].
func ValidateURL(raw string, g *Guard) error {
	u, err := parseURL(raw)
	if err != nil {
		return err
	}
	if err := checkTarget(u, g); err != nil {
		return badURL(outcome.Detail(err))
	}
	return nil
}

// parseURL checks the form of a URL. Errors: *[FieldError].
func parseURL(raw string) (*url.URL, error) {
	switch {
	case len(raw) > MaxURLLength:
		return nil, badURL("is longer than " + strconv.Itoa(MaxURLLength) + " bytes")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, badURL("has a character that is not printable ASCII; write names as xn-- and paths as %XX")
	case strings.IndexByte(raw, '#') >= 0:
		return nil, badURL("has a fragment")
	}
	u, err := url.Parse(raw) // its error quotes the URL, and is not passed on
	switch {
	case err != nil:
		return nil, badURL("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, badURL("must begin with http:// or https://")
	case u.User != nil:
		return nil, badURL("has a user name or password; use a header for credentials")
	case strings.HasSuffix(u.Host, ":"):
		return nil, badURL("has no port after the colon")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, badURL("has a port that is not between 1 and 65535")
		}
	}
	if problem := hostProblem(u.Hostname()); problem != "" {
		return nil, badURL(problem)
	}
	return u, nil
}

// hostProblem returns what is wrong with the form of a host, "" when nothing is.
func hostProblem(host string) string {
	if host == "" {
		return "has no host"
	}
	if _, ok := address(host); ok {
		return ""
	}
	name := strings.TrimSuffix(host, ".")
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return "has a host that is neither a name nor an address"
		}
		last = label
	}
	if len(name) > 253 {
		return "has a host that is longer than a name can be"
	}
	// "127.1", "2130706433" and "0x7f.1" are addresses to some resolvers (WHATWG URL, "ends in a number").
	if startsWithDigit(last) {
		if _, err := strconv.ParseUint(last, 0, 64); err == nil || isDigits(last) {
			return "has a host that ends in a number and is not an address in full"
		}
	}
	return ""
}

// address returns the address that a host is, if it is one. It does not look at names, for that would cost an
// allocation.
func address(host string) (netip.Addr, bool) {
	if !startsWithDigit(host) && strings.IndexByte(host, ':') < 0 {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr, err == nil
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// checkTarget asks the guard about as much of a URL as can be known without resolving names. Errors: the guard's.
func checkTarget(u *url.URL, g *Guard) error {
	if text := u.Port(); text != "" {
		port, _ := strconv.ParseUint(text, 10, 16) // parseURL has looked at it
		if err := g.CheckPort(uint16(port)); err != nil {
			return err
		}
	}
	host := u.Hostname()
	if addr, ok := address(host); ok {
		return g.CheckAddr(addr)
	}
	name := strings.TrimSuffix(host, ".")
	if strings.EqualFold(name, "localhost") || len(name) > 10 && strings.EqualFold(name[len(name)-10:], ".localhost") {
		return g.CheckAddr(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

// validLabel takes underscores too, which are not in host names by the book but in many that are in use.
func validLabel(label string) bool {
	if label == "" || len(label) > 63 {
		return false
	}
	for _, c := range []byte(label) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func badURL(problem string) error { return &FieldError{Field: "url", Problem: problem} }

// reservedHeaders belong to HTTP, to Homing, or to the services that trust whoever can set them. Each is refused with
// the reason.
var reservedHeaders = map[string]string{
	"Host":                                 "it is made from the URL",
	"Connection":                           "it belongs to the connection",
	"Keep-Alive":                           "it belongs to the connection",
	"Transfer-Encoding":                    "it belongs to the connection",
	"Trailer":                              "it belongs to the connection",
	"Te":                                   "it belongs to the connection",
	"Upgrade":                              "it belongs to the connection",
	"Http2-Settings":                       "it belongs to the connection",
	"Expect":                               "it changes how the body is sent",
	"Traceparent":                          "it carries the trace of the event",
	"Tracestate":                           "it carries the trace of the event",
	"Idempotency-Key":                      "it would be the same for all events; receivers have webhook-id",
	"X-Idempotency-Key":                    "it would be the same for all events; receivers have webhook-id",
	"Metadata":                             "it opens a cloud's metadata service",
	"Metadata-Flavor":                      "it opens a cloud's metadata service",
	"X-Aws-Ec2-Metadata-Token":             "it opens a cloud's metadata service",
	"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "it opens a cloud's metadata service",
	"X-Google-Metadata-Request":            "it opens a cloud's metadata service",
}

// reservedPrefixes are those of header names, as reservedHeaders.
var reservedPrefixes = []struct{ prefix, reason string }{
	{"Content-", "it describes the body"},
	{"Proxy-", "it belongs to the connection"},
	{"Webhook-", "it belongs to the signature"},
	{"Ce-", "it belongs to the event"},
	{"Homing-", "it is Homing's own"},
}

// ValidateHeaders checks the headers of an endpoint at registration: names are tokens and values are visible
// characters, spaces and tabs (RFC 9110, sections 5.1 and 5.5), each within its bound, none given twice in different
// case, and none that belongs to HTTP, to the signature, to the event or to Homing. Errors: *[FieldError], of the
// first name in order.
func ValidateHeaders(headers map[string]string) error {
	if len(headers) > MaxHeaders {
		return &FieldError{Field: "headers", Problem: "are more than " + strconv.Itoa(MaxHeaders)}
	}
	names := make([]string, 0, len(headers))
	size := 0
	for name, value := range headers {
		names = append(names, name)
		size += len(name) + len(value)
	}
	if size > MaxHeaderBytes {
		return &FieldError{Field: "headers", Problem: "have more than " + strconv.Itoa(MaxHeaderBytes) + " bytes"}
	}
	slices.Sort(names)
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		key, err := checkHeader(name, headers[name])
		if err == nil && seen[key] {
			err = &FieldError{Field: "headers." + name, Problem: "is given twice"}
		}
		if err != nil {
			return err
		}
		seen[key] = true
	}
	return nil
}

// checkHeader checks one header and returns its canonical name.
func checkHeader(name, value string) (string, error) {
	if !validToken(name) || len(name) > MaxHeaderNameBytes {
		return "", &FieldError{Field: "headers", Problem: fmt.Sprintf("%.40q is not the name of a header", name)}
	}
	key := http.CanonicalHeaderKey(name)
	if reason := reserved(key); reason != "" {
		return "", &FieldError{Field: "headers." + name, Problem: "may not be set: " + reason}
	}
	if !validHeaderValue(value) || len(value) > MaxHeaderValueBytes {
		return "", &FieldError{Field: "headers." + name, Problem: "has a value that is too long or not printable ASCII"}
	}
	return key, nil
}

// reserved returns why a header may not be set, "" when it may.
func reserved(key string) string {
	if reason := reservedHeaders[key]; reason != "" {
		return reason
	}
	for _, r := range reservedPrefixes {
		if strings.HasPrefix(key, r.prefix) {
			return r.reason
		}
	}
	return ""
}

// validToken reports whether s is a token (RFC 9110, section 5.6.2).
func validToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// validHeaderValue reports whether s may be the value of a header: visible ASCII, spaces and tabs inside.
func validHeaderValue(s string) bool {
	for _, c := range []byte(s) {
		if (c < ' ' && c != '\t') || c > '~' {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}
