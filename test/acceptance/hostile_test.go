package acceptance_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// hostiles are endpoints that mean harm, each with the outcome that an attempt must be recorded with.
// (A name that means another address when it is called is in pkg/dispatch, where the test answers for the names.)
var hostiles = map[string]struct {
	handler http.HandlerFunc
	tls     bool
	url     func(url string) string // what the endpoint is said to be; nil: where it is
	outcome webhook.Outcome
	detail  string
}{
	"endless-body": {
		handler: func(w http.ResponseWriter, _ *http.Request) {
			chunk := make([]byte, 32<<10)
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		outcome: webhook.OutcomeSuccess, // the status decides
	},
	"slow-header-drip": {handler: drip, outcome: webhook.OutcomeTimeout, detail: "took too long"},
	"redirect-to-metadata": {
		handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		},
		outcome: webhook.OutcomeRedirect, detail: "not followed",
	},
	"name-of-loopback": {
		handler: func(http.ResponseWriter, *http.Request) {},
		url: func(url string) string {
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
			return "http://localhost:" + port
		},
		outcome: webhook.OutcomeBlocked, detail: "HOMING_ALLOW_ADDRESSES",
	},
	"ten-thousand-headers": {
		handler: func(w http.ResponseWriter, _ *http.Request) {
			for i := range 10_000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("v", 20))
			}
		},
		outcome: webhook.OutcomeProtocol, detail: "too large",
	},
	"bad-certificate": {
		handler: func(http.ResponseWriter, *http.Request) {}, tls: true,
		outcome: webhook.OutcomeTLS, detail: "certificate",
	},
	"nothing-storable": {
		handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-\xff"] = []string{"\x80\xfe"}
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "\x00\xff\xfe\x00")
		},
		outcome: webhook.OutcomeClientError,
	},
}

// drip sends a header a byte at a time, without end.
func drip(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Drip: ")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for err == nil && r.Context().Err() == nil {
		<-tick.C
		_, err = io.WriteString(conn, "x")
	}
}

// TestHostileEndpoints sends to endpoints that mean harm, all at once: each attempt is on record with its own outcome,
// and the process does not grow with the harm.
func TestHostileEndpoints(t *testing.T) {
	t.Parallel()
	const address = "127.0.0.2" // all that may be sent to
	h := install(t, postgresAlone, "HOMING_SCHEDULE=0s", "HOMING_LOG_LEVEL=info", "HOMING_ALLOW_ADDRESSES="+address)
	endpoints := make(map[string]*endpoint)
	reached := make(map[string]*atomic.Int64)
	for name, c := range hostiles {
		reached[name] = new(atomic.Int64)
		url := serveHostile(t, address, c.tls, func(w http.ResponseWriter, r *http.Request) {
			reached[name].Add(1)
			c.handler(w, r)
		})
		if c.url != nil {
			url = c.url(url)
		}
		endpoints[name] = h.Subscribe(name, nil, func(e *endpoint) {
			e.URL = url + "/" + name
			if name == "slow-header-drip" {
				e.Timeout = 300 * time.Millisecond // for after five failures they are made one at a time
			}
		})
	}
	process := h.Spawn("homing", "serve")
	p := h.Producer(process)
	const first, then = 5, 20
	send := func(name string, n, total int) {
		p.SendAs(batched, orders(name, n)...)
		wait(t, patience, "every attempt is on record", func() bool {
			return h.Count("SELECT count(*) FROM attempts") == total*len(hostiles)
		})
	}
	send("first", first, first)
	before := process.PeakMemory()
	send("then", then, first+then)
	grown := process.PeakMemory() - before
	t.Logf("the process has grown from %d MiB by %d MiB", before>>20, grown>>20)
	require.Less(t, grown, 48<<20, "memory grows with the harm")

	for name, c := range hostiles {
		n := h.Count(`SELECT count(*) FROM attempts a JOIN deliveries d ON d.id = a.delivery_id
			WHERE d.endpoint_id = $1 AND a.outcome = $2 AND position($3 in coalesce(a.detail, '')) > 0
				AND coalesce(octet_length(a.response_body), 0) <= 4096`, endpoints[name].ID, string(c.outcome), c.detail)
		require.Equal(t, first+then, n, "%s: every attempt has the outcome %s", name, c.outcome)
		if c.outcome == webhook.OutcomeBlocked || c.tls {
			require.Zero(t, reached[name].Load(), "%s was reached", name)
		}
	}
	h.CheckInvariants()
}

// serveHostile starts a server at an address and returns its URL.
func serveHostile(t testing.TB, address string, secure bool, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(handler)
	require.NoError(t, server.Listener.Close())
	server.Listener = l
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server.URL
}
