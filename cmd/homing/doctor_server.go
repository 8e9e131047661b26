package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/client"
)

// Bounds of what the doctor finds good.
const (
	// clocksApart is how far the clocks of two machines may be apart; receivers take 5 minutes, Homing itself 1.
	clocksApart = 5 * time.Second
	// certificateLeft is how long before its end a certificate should have been renewed.
	certificateLeft = 14 * 24 * time.Hour
)

// dns looks up the server's name.
func (d *doctor) dns(ctx context.Context) {
	u, err := url.Parse(d.to.server)
	if err != nil || u.Hostname() == "" {
		d.add("server", checkFailed, "its URL cannot be read",
			"set it like https://homing.example.com: `homing help profiles`")
		return
	}
	if net.ParseIP(u.Hostname()) != nil {
		d.add("dns", checkSkipped, "the server is named by its address", "")
		return
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		d.add("dns", checkFailed, err.Error(), "check the name in "+d.to.from+", and this machine's resolver")
		return
	}
	d.add("dns", checkOK, u.Hostname()+" is "+strings.Join(addresses, ", "), "")
}

// tls looks at the server's certificate.
func (d *doctor) tls(ctx context.Context) {
	u, err := url.Parse(d.to.server)
	if err != nil {
		return // dns says so
	}
	if u.Scheme != "https" {
		status, mend := checkSkipped, ""
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && !ip.IsLoopback() {
			status, mend = checkWarning, "the API key goes over the network in clear: use https://"
		}
		d.add("tls", status, "the server is reached by http://", mend)
		return
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	conn, err := new(tls.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		d.add("tls", checkFailed, err.Error(), "a certificate must be valid for "+u.Hostname()+", and its issuer known here")
		return
	}
	defer func() { _ = conn.Close() }()
	secure, ok := conn.(*tls.Conn)
	if !ok || len(secure.ConnectionState().PeerCertificates) == 0 {
		d.add("tls", checkFailed, "no certificate was shown", "")
		return
	}
	end := secure.ConnectionState().PeerCertificates[0].NotAfter
	if time.Until(end) < certificateLeft {
		d.add("tls", checkWarning, "the certificate ends "+clockTime(end), "renew it")
		return
	}
	d.add("tls", checkOK, "the certificate is good until "+clockTime(end), "")
}

// serverAnswer is what the server answered.
type serverAnswer struct {
	status int
	header http.Header
	text   string
}

// get asks the server for a path, without a key.
func (d *doctor) get(ctx context.Context, path string) (answer serverAnswer, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(d.to.server, "/")+path, http.NoBody)
	if err != nil {
		return answer, err
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return answer, failed.Err
	}
	if err != nil {
		return answer, err
	}
	defer func() { _ = res.Body.Close() }()
	const most = 1 << 20
	b, err := io.ReadAll(io.LimitReader(res.Body, most))
	return serverAnswer{res.StatusCode, res.Header, string(b)}, err
}

// health asks whether the server is up and ready, and compares its clock with this machine's.
func (d *doctor) health(ctx context.Context) {
	began := time.Now()
	res, err := d.get(ctx, "/readyz")
	took := time.Since(began)
	if err != nil {
		d.add("server", checkFailed, "no answer from "+d.to.server+" ("+d.to.from+"): "+err.Error(),
			"start it with `homing serve`, or name another: `homing help profiles`")
		return
	}
	if res.status != http.StatusOK {
		d.add("server", checkFailed, fmt.Sprintf("%s is not ready: %s", d.to.server, strings.TrimSpace(res.text)),
			"its log says more; mend what it names, and it gets ready by itself")
	} else {
		d.add("server", checkOK, fmt.Sprintf("%s (%s) is ready, answered in %s", d.to.server, d.to.from,
			took.Round(time.Millisecond)), "")
	}
	at, err := http.ParseTime(res.header.Get("Date"))
	if err != nil {
		d.add("clock", checkSkipped, "the server does not say what time it is", "")
		return
	}
	d.clock("clock", "the server's", at.Add(time.Second/2).Sub(began.Add(took/2)))
}

// clock judges an offset between two clocks.
func (d *doctor) clock(name, whose string, offset time.Duration) {
	if offset.Abs() > clocksApart {
		d.add(name, checkFailed, fmt.Sprintf("%s clock and this machine's are %s apart", whose,
			offset.Abs().Round(time.Second)), "set both by NTP: receivers refuse signatures that are minutes old")
		return
	}
	d.add(name, checkOK, whose+" clock and this machine's are together within "+clocksApart.String(), "")
}

// buildVersion finds the version in the server's metrics.
var buildVersion = regexp.MustCompile(`homing_build_info\{[^}]*version="([^"]+)"`)

// apiVersion finds the version in the server's document.
var apiVersion = regexp.MustCompile(`"info":\s*\{[^}]*"version":\s*"([0-9]+)\.([0-9.]+)"`)

// version compares the server's versions with those of this program.
func (d *doctor) version(ctx context.Context) {
	build := "unknown, for its metrics are elsewhere"
	if res, err := d.get(ctx, "/metrics"); err == nil {
		if found := buildVersion.FindStringSubmatch(res.text); found != nil {
			build = found[1]
		}
	}
	res, err := d.get(ctx, "/openapi.json")
	found := apiVersion.FindStringSubmatch(res.text)
	switch major, _, _ := strings.Cut(client.APIVersion, "."); {
	case err != nil || found == nil:
		d.add("version", checkFailed, "the management API does not answer there", "name the server that `manage` runs on")
	case found[1] != major:
		d.add("version", checkFailed, fmt.Sprintf("its API is %s.%s, this homing speaks %s", found[1], found[2],
			client.APIVersion), "use a homing of the server's version")
	default:
		d.add("version", checkOK, fmt.Sprintf("its API is %s.%s, its build %s; this homing is %s", found[1], found[2], build,
			local.Version()), "")
	}
}

// key asks what the API key may do, by asking for one thing of each kind.
func (d *doctor) key(ctx context.Context) {
	if d.to.key == "" {
		d.add("key", checkFailed, "no API key is known for "+d.to.server,
			"set HOMING_API_KEY, or make a key: `homing key create`")
		return
	}
	c, err := client.New(d.to.server, d.to.key, client.WithTenant(d.to.tenant), client.WithRetries(0, 0))
	if err != nil {
		return // dns has said so
	}
	may, mayNot := []string{}, []string{}
	for _, scope := range []struct {
		name string
		ask  func() error
	}{
		{"endpoints:read", func() error {
			_, err := c.ListEndpointsPage(ctx, client.ListEndpointsParams{Limit: 1})
			return err
		}},
		{"deliveries:read", func() error {
			_, err := c.ListDeliveriesPage(ctx, client.ListDeliveriesParams{Limit: 1})
			return err
		}},
		{"admin", func() error { _, err := c.ListKeysPage(ctx, client.ListKeysParams{Limit: 1}); return err }},
		{"operator", func() error { _, err := c.ListTenantsPage(ctx, client.ListTenantsParams{Limit: 1}); return err }},
	} {
		err := scope.ask()
		p, _ := errors.AsType[*client.Problem](err)
		switch {
		case err == nil:
			may = append(may, scope.name)
		case p != nil && p.Status == http.StatusForbidden:
			mayNot = append(mayNot, scope.name)
		case p != nil && p.Kind() == client.KindUnauthenticated:
			d.add("key", checkFailed, "the API key is unknown, expired or revoked",
				"set HOMING_API_KEY to a valid one; `homing key create` makes one")
			return
		case p != nil && client.IsInvalid(err):
			d.add("key", checkWarning, "it is an operator's key, and no tenant is named", "name one with --tenant or a profile")
			return
		default:
			d.add("key", checkFailed, err.Error(), "see the checks above")
			return
		}
	}
	detail := "it may: " + joined(may)
	if len(mayNot) > 0 {
		detail += "; it may not: " + joined(mayNot)
	}
	d.add("key", checkOK, detail, "")
}
