package acceptance_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/telemetry"
	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Durations of the timelines. They are as short as the settings allow where a test waits for them, and long where one
// must not run out on a busy machine.
const (
	attemptTimeout = 5 * time.Second
	leaseMargin    = time.Second
	// patience is how long a thing may take that is not timed by any of the settings.
	patience = 60 * time.Second
)

// encryptionKey seals the endpoints' secrets.
const encryptionKey = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// installation is a Homing as an operator has it: a database, settings, a tenant with an API key, and endpoints.
type installation struct {
	t         testing.TB
	settings  map[string]string
	tenant    string
	key       string
	ids       webhook.IDSource
	sql       *pgxpool.Pool
	store     *postgres.Store // the test's own, as each command of the command line has one
	receiver  *receiver
	endpoints []*endpoint
}

// services are those beside Postgres.
type services int

const (
	postgresAlone services = iota
	withRedis
	allServices // Redis and RabbitMQ
)

// install makes an installation with a database of its own on the shared server; settings, NAME=value each, go before
// those that are good for most tests.
func install(t testing.TB, s services, settings ...string) *installation {
	t.Helper()
	return installOn(t, testenv.PostgresMigrated(t, migrate), s, settings...)
}

// installOn is install on a database that is there and migrated.
func installOn(t testing.TB, database string, s services, settings ...string) *installation {
	t.Helper()
	h := &installation{t: t, tenant: "acme", receiver: newReceiver(t), settings: map[string]string{
		"DATABASE_URL":              database,
		"HOMING_LISTEN":             "127.0.0.1:0",
		"HOMING_ENCRYPTION_KEYS":    encryptionKey,
		"HOMING_ALLOW_ADDRESSES":    "127.0.0.0/8",
		"HOMING_ALLOW_HTTP":         "true",
		"HOMING_SCHEDULE":           "0s,200ms,400ms",
		"HOMING_ATTEMPT_TIMEOUT":    attemptTimeout.String(),
		"HOMING_FIRST_BYTE_TIMEOUT": attemptTimeout.String(),
		"HOMING_LEASE_MARGIN":       leaseMargin.String(),
		"HOMING_WAKE_GRACE":         "1s",
		"HOMING_PUSH_CAP":           "2s",
		"HOMING_TICK":               "1s",
		"HOMING_DATABASE_POOL":      "4",
		"HOMING_LOG_FORMAT":         "json",
		"HOMING_LOG_LEVEL":          "debug",
	}}
	if s >= withRedis {
		h.settings["REDIS_URL"] = testenv.Redis(t)
		h.settings["HOMING_REDIS_PREFIX"] = strings.TrimSuffix(testenv.RedisPrefix(t), ":")
	}
	if s >= allServices {
		h.settings["RABBITMQ_URL"] = testenv.RabbitMQ(t)
	}
	h.set(settings...)
	h.open(database)
	require.NoError(t, h.store.CreateTenant(t.Context(), h.tenant))
	h.key = h.createKey(time.Time{})
	return h
}

// migrate prepares a database.
func migrate(ctx context.Context, url string) error {
	_, err := postgres.Migrate(ctx, url)
	return err
}

// set changes settings, NAME=value each, for the processes that are started from now on. Shorter attempts have shorter
// phases.
func (h *installation) set(settings ...string) {
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		h.settings[name] = value
		if name == "HOMING_ATTEMPT_TIMEOUT" {
			h.settings["HOMING_FIRST_BYTE_TIMEOUT"] = value
			h.settings["HOMING_CONNECT_TIMEOUT"] = value
			h.settings["HOMING_TLS_TIMEOUT"] = value
		}
	}
}

// environ is the settings as an environment.
func (h *installation) environ() []string {
	var all []string
	for name, value := range h.settings {
		all = append(all, name+"="+value)
	}
	return all
}

// config is the settings as a process in this process has them.
func (h *installation) config() *config.Config {
	h.t.Helper()
	cfg, err := config.Load(config.FunctionLocal, h.environ())
	require.NoError(h.t, err)
	return cfg
}

// open opens the test's own ways to the database.
func (h *installation) open(database string) {
	h.t.Helper()
	keyring, err := seal.Parse(encryptionKey)
	require.NoError(h.t, err)
	cfg := h.config()
	h.store, err = postgres.Open(context.Background(), database, postgres.Options{
		Policy: cfg.WebhookPolicy(), Keyring: keyring, MaxConns: 2, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(h.t, err)
	h.t.Cleanup(h.store.Close)
	pool, err := pgxpool.ParseConfig(database)
	require.NoError(h.t, err)
	pool.MaxConns, pool.MinConns = 2, 0
	h.sql, err = pgxpool.NewWithConfig(context.Background(), pool)
	require.NoError(h.t, err)
	h.t.Cleanup(h.sql.Close)
}

// createKey makes an API key of the tenant, as `homing key create` does.
func (h *installation) createKey(expires time.Time) string {
	h.t.Helper()
	id := h.ids.New(time.Now())
	key := "hmk_" + base64.RawURLEncoding.EncodeToString([]byte("marked-key-"+id.String()))
	require.NoError(h.t, h.store.CreateKey(h.t.Context(), apiKey(h.tenant, id, sha256.Sum256([]byte(key)), expires)))
	return key
}

// endpoint is one endpoint of the tenant, and what it is to get.
type endpoint struct {
	webhook.Endpoint
	name   string
	secret string // whsec_…
	// wants says which of the events sent it is to get; nil means all.
	wants func(e *cloudEvent) bool
}

// subscribe makes an endpoint at the receiver that answers as the script says; nil means 204. configure may change it.
func (h *installation) subscribe(name string, script script, configure ...func(*endpoint)) *endpoint {
	h.t.Helper()
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(h.t, err)
	e := &endpoint{name: name, Endpoint: webhook.Endpoint{
		ID: h.ids.New(time.Now()), Tenant: h.tenant, URL: h.receiver.url(name), Format: webhook.FormatBinary,
	}}
	secret.ID, secret.Endpoint = h.ids.New(time.Now()), e.ID
	for _, c := range configure {
		c(e)
	}
	e.secret, err = signature.Format(secret)
	require.NoError(h.t, err)
	h.receiver.expect(name, e.secret, script)
	require.NoError(h.t, h.store.CreateEndpoint(h.t.Context(), e.Endpoint, []webhook.Secret{secret}))
	h.endpoints = append(h.endpoints, e)
	return e
}

// setStatus pauses, resumes or deletes an endpoint, as the command line does: nobody hints at anything.
func (h *installation) setStatus(e *endpoint, s webhook.EndpointStatus) {
	h.t.Helper()
	require.NoError(h.t, h.store.SetEndpointStatus(h.t.Context(), h.tenant, e.ID, s, "by hand"))
}

// start starts functions, all when none is named, in this process. It is stopped with the test if not before.
func (h *installation) start(only ...config.Function) *process {
	h.t.Helper()
	return h.startAt(time.Now, only...)
}

// startAt is start on a machine whose clock shows what now returns.
func (h *installation) startAt(now func() time.Time, only ...config.Function) *process {
	h.t.Helper()
	cfg := h.config()
	log := new(telemetrytest.Log)
	app, err := local.NewWithClock(cfg, telemetry.NewLogger(log, &cfg.Telemetry), now, only...)
	require.NoError(h.t, err)
	require.NoError(h.t, app.Start(h.t.Context()))
	p := &process{t: h.t, base: "http://" + app.Addr(), log: log}
	p.end = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return app.Stop(ctx)
	}
	p.stopWithTest()
	if only == nil || cfg.Bus() == config.BackendAMQP {
		h.waitForQueues(only...)
	}
	return p
}

// nobody is an address that nobody listens on.
const nobody = "127.0.0.1:1"

// ownAddress is an address for a process that is to come back at the same one. It is below the ports that the system
// gives away (ip_local_port_range), or a connection might take it meanwhile.
func ownAddress(t testing.TB) string {
	t.Helper()
	const least, most, tries = 20_000, 32_000, 100
	for range tries {
		address := fmt.Sprintf("127.0.0.1:%d", least+rand.N(most-least))
		if l, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	require.FailNow(t, "no port is free")
	return ""
}

// environment is that of this process without what would configure a Homing, and with settings.
func environment(settings map[string]string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	for name, value := range maps.All(settings) {
		env = append(env, name+"="+value)
	}
	return env
}

// wait waits until a condition holds, looking every few milliseconds, and less often when it takes long.
func wait(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	const least, most = 5 * time.Millisecond, 200 * time.Millisecond
	again := least
	for deadline := time.Now().Add(within); !holds(); <-time.After(again) {
		require.True(t, time.Now().Before(deadline), "waited %s in vain: %s", within, what)
		again = min(again*5/4, most)
	}
}
