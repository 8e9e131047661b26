package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/manage/api"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

func migrated(ctx context.Context, url string) error {
	_, err := postgres.Migrate(ctx, url)
	return err
}

// bundle is the API on a database of its own, in the role of manage, with an operator's key and one tenant.
type bundle struct {
	*testing.T
	store    *postgres.Store
	url      string
	ring     seal.Keyring
	api      *api.API
	ids      webhook.IDSource
	log      *bytes.Buffer
	operator string // a key
	tenant   string
	key      string // the tenant's, with every scope

	mu        sync.Mutex
	owned     *postgres.Store // see owner
	hinted    []wire.Due
	endpoints []wire.Endpoint
	jobs      int // hints
	now       func() time.Time
}

func setup(t *testing.T, change ...func(*api.Config)) *bundle {
	t.Helper()
	b := &bundle{T: t, log: &bytes.Buffer{}, now: time.Now}
	var err error
	b.ring, err = seal.Parse(seal.NewKey("test"))
	require.NoError(t, err)
	b.url = testenv.PostgresMigrated(t, migrated)
	b.store, err = postgres.Open(context.Background(), b.url, postgres.Options{
		Keyring: b.ring, MaxConns: 4, Role: "homing_manage",
	})
	require.NoError(t, err)
	t.Cleanup(b.store.Close)
	cfg := api.Config{
		Store: b.store, Policy: webhook.DefaultPolicy(), Now: func() time.Time { return b.now() }, CheckURL: checkURL,
		SecretOverlap: time.Hour, PerMinute: 100_000, Log: slog.New(slog.NewJSONHandler(b.log, nil)),
		Metrics: api.NewMetrics(prometheus.NewRegistry()),
		Hint: func(due ...wire.Due) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.hinted = append(b.hinted, due...)
		},
		Handshake: func(_ context.Context, url string, perMinute int) (webhook.Consent, error) {
			if strings.Contains(url, "silent") {
				return webhook.Consent{}, errors.New("it answered 405 without WebHook-Allowed-Origin")
			}
			return webhook.Consent{Origin: "homing.example", PerMinute: perMinute / 2, At: b.now()}, nil
		},
		HintEndpoint: func(endpoints ...wire.Endpoint) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.endpoints = append(b.endpoints, endpoints...)
		},
		HintJobs: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.jobs++
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	b.api = api.New(cfg)
	b.operator = b.newKey("", webhook.ScopeAdmin)
	b.tenant, b.key = b.newTenant()
	return b
}

// jobsHinted returns how often retry was told that there is work by hand.
func (b *bundle) jobsHinted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.jobs
}

// checkURL stands for the policy of a deployment.
func checkURL(raw string) error {
	if !strings.HasPrefix(raw, "https://") || strings.Contains(raw, "//10.") {
		return errors.New("the policy does not allow it")
	}
	return nil
}

// newTenant makes a tenant with a key that has every scope.
func (b *bundle) newTenant() (id, key string) {
	b.Helper()
	id = "t-" + strings.ToLower(rand.Text())
	require.NoError(b, b.store.CreateTenant(b.Context(), id))
	return id, b.newKey(id, webhook.Scopes...)
}

// newKey makes a key of a tenant, or of operators.
func (b *bundle) newKey(tenant string, scopes ...webhook.Scope) string {
	b.Helper()
	key := "hmk_" + rand.Text()
	require.NoError(b, b.store.CreateKey(b.Context(), store.APIKey{
		ID: b.ids.New(time.Now()), Tenant: tenant, Name: "test", Hash: sha256.Sum256([]byte(key)), Scopes: scopes,
	}))
	return key
}

// call is a request. Body is sent as JSON; a string is sent as it is.
type call struct {
	method, path string
	body         any
	key          string // "": the tenant's
	header       map[string]string
}

// answer is what came back.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   map[string]any
	text   string
}

// do makes a request, and holds the answer to the document.
func (b *bundle) do(c call) answer {
	b.Helper()
	var body []byte
	switch v := c.body.(type) {
	case nil:
	case string:
		body = []byte(v)
	default:
		var err error
		body, err = json.Marshal(v)
		require.NoError(b, err)
	}
	request := func() *http.Request {
		r := httptest.NewRequest(c.method, c.path, bytes.NewReader(body))
		if c.key == "" {
			c.key = b.key
		}
		if c.key != "none" {
			r.Header.Set("Authorization", "Bearer "+c.key)
		}
		if len(body) > 0 {
			r.Header.Set("Content-Type", "application/json")
		}
		for name, value := range c.header {
			r.Header.Set(name, value)
		}
		return r
	}
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, request())
	a := answer{t: b.T, status: w.Code, header: w.Header(), text: w.Body.String()}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		require.NoError(b, json.Unmarshal(w.Body.Bytes(), &a.body), a.text)
	}
	b.hold(request(), a)
	return a
}

// ok makes a request that has to go well.
func (b *bundle) ok(method, path string, body any, header ...string) answer {
	b.Helper()
	c := call{method: method, path: path, body: body, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		c.header[header[i]] = header[i+1]
	}
	a := b.do(c)
	require.Less(b, a.status, 300, a.text)
	return a
}

// str returns a text of the answer.
func (a answer) str(name string) string {
	a.t.Helper()
	text, ok := a.body[name].(string)
	require.True(a.t, ok, "%s: %s", name, a.text)
	return text
}

// list returns the things of a page.
func (a answer) list() []map[string]any {
	a.t.Helper()
	data, ok := a.body["data"].([]any)
	require.True(a.t, ok, a.text)
	list := make([]map[string]any, 0, len(data))
	for _, item := range data {
		list = append(list, item.(map[string]any))
	}
	return list
}

// refused requires a problem of a kind, and of a field when that is not "".
func (a answer) refused(status int, kind, field string) {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.text)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	require.True(a.t, strings.HasSuffix(a.str("type"), "/docs/problems.md#"+kind), a.text)
	require.EqualValues(a.t, status, a.body["status"])
	if field == "" {
		return
	}
	faults, _ := a.body["errors"].([]any)
	var fields []any
	for _, f := range faults {
		fields = append(fields, f.(map[string]any)["field"])
	}
	require.Contains(a.t, fields, field, a.text)
}
