package homingtest

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
	// Patience is how long a thing may take that is not timed by any of the settings.
	Patience = 60 * time.Second
)

// EncryptionKey seals the endpoints' secrets.
const EncryptionKey = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// Installation is a Homing as an operator has it: a database, settings, a tenant with an API key, and endpoints.
type Installation struct {
	T         testing.TB
	Settings  map[string]string
	Tenant    string
	Key       string
	IDs       webhook.IDSource
	SQL       *pgxpool.Pool
	Store     *postgres.Store // the test's own, as each command of the command line has one
	Receiver  *Receiver
	Endpoints []*Endpoint
	// Events is what brokered events are handed to; nil means RabbitMQ itself, by RABBITMQ_URL.
	Events Publisher
}

// Services are those beside Postgres.
type Services int

const (
	// PostgresAlone is without Redis and RabbitMQ.
	PostgresAlone Services = iota
	// WithRedis is without RabbitMQ.
	WithRedis
	// AllServices is with Redis and RabbitMQ.
	AllServices
)

// Install makes an installation with a database of its own on the shared server; settings, NAME=value each, go before
// those that are good for most tests.
func Install(t testing.TB, s Services, settings ...string) *Installation {
	t.Helper()
	return InstallOn(t, testenv.PostgresMigrated(t, Migrate), s, settings...)
}

// InstallOn is install on a database that is there and migrated.
func InstallOn(t testing.TB, database string, s Services, settings ...string) *Installation {
	t.Helper()
	h := &Installation{T: t, Tenant: "acme", Receiver: newReceiver(t), Settings: map[string]string{
		"DATABASE_URL":              database,
		"HOMING_LISTEN":             "127.0.0.1:0",
		"HOMING_ENCRYPTION_KEYS":    EncryptionKey,
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
	if s >= WithRedis {
		h.Settings["REDIS_URL"] = testenv.Redis(t)
		h.Settings["HOMING_REDIS_PREFIX"] = strings.TrimSuffix(testenv.RedisPrefix(t), ":")
	}
	if s >= AllServices {
		h.Settings["RABBITMQ_URL"] = testenv.RabbitMQ(t)
	}
	h.Set(settings...)
	h.open(database)
	require.NoError(t, h.Store.CreateTenant(t.Context(), h.Tenant))
	h.Key = h.CreateKey(time.Time{})
	return h
}

// Migrate prepares a database.
func Migrate(ctx context.Context, url string) error {
	_, err := postgres.Migrate(ctx, url)
	return err
}

// Set changes settings, NAME=value each, for the processes that are started from now on. Shorter attempts have shorter
// phases.
func (h *Installation) Set(settings ...string) {
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		h.Settings[name] = value
		if name == "HOMING_ATTEMPT_TIMEOUT" {
			h.Settings["HOMING_FIRST_BYTE_TIMEOUT"] = value
			h.Settings["HOMING_CONNECT_TIMEOUT"] = value
			h.Settings["HOMING_TLS_TIMEOUT"] = value
		}
	}
}

// environ is the settings as an environment.
func (h *Installation) environ() []string {
	var all []string
	for name, value := range h.Settings {
		all = append(all, name+"="+value)
	}
	return all
}

// Config is the settings as a process in this process has them.
func (h *Installation) Config() *config.Config {
	h.T.Helper()
	cfg, err := config.Load(config.FunctionLocal, h.environ())
	require.NoError(h.T, err)
	return cfg
}

// open opens the test's own ways to the database.
func (h *Installation) open(database string) {
	h.T.Helper()
	keyring, err := seal.Parse(EncryptionKey)
	require.NoError(h.T, err)
	cfg := h.Config()
	h.Store, err = postgres.Open(context.Background(), database, postgres.Options{
		Policy: cfg.WebhookPolicy(), Keyring: keyring, MaxConns: 2, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(h.T, err)
	h.T.Cleanup(h.Store.Close)
	pool, err := pgxpool.ParseConfig(database)
	require.NoError(h.T, err)
	pool.MaxConns, pool.MinConns = 2, 0
	h.SQL, err = pgxpool.NewWithConfig(context.Background(), pool)
	require.NoError(h.T, err)
	h.T.Cleanup(h.SQL.Close)
}

// MoveTo has the processes that are started from now on, and the test's own looks, use another database with the same
// content: one that was restored.
func (h *Installation) MoveTo(database string) {
	h.T.Helper()
	h.Set("DATABASE_URL=" + database)
	h.open(database)
}

// CreateKey makes an API key of the tenant, as `homing key create` does.
func (h *Installation) CreateKey(expires time.Time) string {
	h.T.Helper()
	id := h.IDs.New(time.Now())
	key := "hmk_" + base64.RawURLEncoding.EncodeToString([]byte("marked-key-"+id.String()))
	require.NoError(h.T, h.Store.CreateKey(h.T.Context(), apiKey(h.Tenant, id, sha256.Sum256([]byte(key)), expires)))
	return key
}

// Endpoint is one endpoint of the tenant, and what it is to get.
type Endpoint struct {
	webhook.Endpoint
	Name   string
	Secret string // whsec_…
	// Wants says which of the events sent it is to get; nil means all.
	Wants func(e *CloudEvent) bool
}

// Subscribe makes an endpoint at the receiver that answers as the script says; nil means 204. configure may change it.
func (h *Installation) Subscribe(name string, script Script, configure ...func(*Endpoint)) *Endpoint {
	h.T.Helper()
	secret, err := signature.NewSecret(webhook.SecretHMAC)
	require.NoError(h.T, err)
	e := &Endpoint{Name: name, Endpoint: webhook.Endpoint{
		ID: h.IDs.New(time.Now()), Tenant: h.Tenant, URL: h.Receiver.URL(name), Format: webhook.FormatBinary,
	}}
	secret.ID, secret.Endpoint = h.IDs.New(time.Now()), e.ID
	for _, c := range configure {
		c(e)
	}
	e.Secret, err = signature.Format(secret)
	require.NoError(h.T, err)
	h.Receiver.expect(name, e.Secret, script)
	require.NoError(h.T, h.Store.CreateEndpoint(h.T.Context(), e.Endpoint, []webhook.Secret{secret}))
	h.Endpoints = append(h.Endpoints, e)
	return e
}

// SetStatus pauses, resumes or deletes an endpoint, as the command line does: nobody hints at anything.
func (h *Installation) SetStatus(e *Endpoint, s webhook.EndpointStatus) {
	h.T.Helper()
	require.NoError(h.T, h.Store.SetEndpointStatus(h.T.Context(), h.Tenant, e.ID, s, "by hand"))
}

// Start starts functions, all when none is named, in this process. It is stopped with the test if not before.
func (h *Installation) Start(only ...config.Function) *Process {
	h.T.Helper()
	return h.StartAt(time.Now, only...)
}

// StartAt is start on a machine whose clock shows what now returns.
func (h *Installation) StartAt(now func() time.Time, only ...config.Function) *Process {
	h.T.Helper()
	cfg := h.Config()
	log := new(telemetrytest.Log)
	app, err := local.NewWithClock(cfg, telemetry.NewLogger(log, &cfg.Telemetry), now, only...)
	require.NoError(h.T, err)
	require.NoError(h.T, app.Start(h.T.Context()))
	p := &Process{t: h.T, Base: "http://" + app.Addr(), Log: log}
	p.end = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		return app.Stop(ctx)
	}
	p.stopWithTest()
	if only == nil || cfg.Bus() == config.BackendAMQP {
		h.WaitForQueues(only...)
	}
	return p
}

// Nobody is an address that nobody listens on.
const Nobody = "127.0.0.1:1"

// OwnAddress is an address for a process that is to come back at the same one. It is below the ports that the system
// gives away (ip_local_port_range), or a connection might take it meanwhile.
func OwnAddress(t testing.TB) string {
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

// Environment is that of this process without what would configure a Homing, and with settings.
func Environment(settings map[string]string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	for name, value := range maps.All(settings) {
		env = append(env, name+"="+value)
	}
	return env
}

// Wait waits until a condition holds, looking every few milliseconds, and less often when it takes long.
func Wait(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	const least, most = 5 * time.Millisecond, 200 * time.Millisecond
	again := least
	for deadline := time.Now().Add(within); !holds(); <-time.After(again) {
		require.True(t, time.Now().Before(deadline), "waited %s in vain: %s", within, what)
		again = min(again*5/4, most)
	}
}
