package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// tenant is the one that is measured, and but for the case flood the only one.
const tenant = "load"

// setup is what a case measures on.
type setup struct {
	// endpoints are created with one HMAC secret each; URL is the path at the receiver.
	endpoints []webhook.Endpoint
	// amqp makes RabbitMQ the bus; split runs each function as a process of its own, which needs amqp.
	amqp, split bool
	environ     []string
}

// system is a running Homing with a database of its own.
type system struct {
	b         *bench
	name      string
	url       string // of the database
	store     *postgres.Store
	db        *pgx.Conn
	homing    []*child
	addr, key string
	endpoints []webhook.ID
	ids       webhook.IDSource
}

// open makes the database of a case and starts Homing on it.
func (b *bench) open(ctx context.Context, name string, s setup) (*system, error) {
	b.opened++
	sys := &system{b: b, name: fmt.Sprintf("%s_%d", name, b.opened)}
	sys.url = b.services.database(sys.name)
	if err := sys.prepare(ctx, &s); err != nil {
		return nil, errors.Join(err, sys.close())
	}
	only := [][]string{nil}
	if s.split {
		only = [][]string{{"--only", "ingest"}, {"--only", "deliver"}, {"--only", "retry"}}
	}
	for i, args := range only {
		addr, err := sys.startHoming(ctx, &s, args)
		if err != nil {
			return nil, errors.Join(err, sys.close())
		}
		if i == 0 {
			sys.addr = addr
		}
	}
	return sys, nil
}

// prepare makes the database, the tenant, its key and its endpoints.
func (sys *system) prepare(ctx context.Context, s *setup) error {
	admin, err := pgx.Connect(ctx, sys.b.services.database("postgres"))
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "CREATE DATABASE "+sys.name)
	if err = errors.Join(err, admin.Close(ctx)); err != nil {
		return err
	}
	if _, err := postgres.Migrate(ctx, sys.url); err != nil {
		return err
	}
	ring, err := seal.Parse(sys.b.sealKey)
	if err != nil {
		return err
	}
	if sys.store, err = postgres.Open(ctx, sys.url, postgres.Options{Keyring: ring}); err != nil {
		return err
	}
	if sys.db, err = pgx.Connect(ctx, sys.url); err != nil {
		return err
	}
	if sys.key, err = sys.createTenant(ctx, tenant); err != nil {
		return err
	}
	return sys.createEndpoints(ctx, tenant, s.endpoints)
}

// createTenant makes a tenant and an API key of it.
func (sys *system) createTenant(ctx context.Context, name string) (key string, err error) {
	if err := sys.store.CreateTenant(ctx, name); err != nil {
		return "", err
	}
	var random [32]byte
	_, _ = rand.Read(random[:])
	key = "hmk_" + base64.RawURLEncoding.EncodeToString(random[:])
	return key, sys.store.CreateKey(ctx, store.APIKey{
		ID: sys.ids.New(time.Now()), Tenant: name, Hash: sha256.Sum256([]byte(key)),
	})
}

func (sys *system) createEndpoints(ctx context.Context, tenant string, endpoints []webhook.Endpoint) error {
	for i := range endpoints {
		e := endpoints[i]
		e.ID, e.Tenant, e.Format = sys.ids.New(time.Now()), tenant, webhook.FormatBinary
		e.URL = "http://" + sys.b.receiverAddr + e.URL
		secret, err := signature.NewSecret(webhook.SecretHMAC)
		if err != nil {
			return err
		}
		secret.ID, secret.Endpoint = sys.ids.New(time.Now()), e.ID
		if err := sys.store.CreateEndpoint(ctx, e, []webhook.Secret{secret}); err != nil {
			return err
		}
		sys.endpoints = append(sys.endpoints, e.ID)
	}
	return nil
}

// startHoming starts one process and returns the address that its banner names.
func (sys *system) startHoming(ctx context.Context, s *setup, args []string) (string, error) {
	command := exec.Command(sys.b.homing, append([]string{"serve"}, args...)...)
	env := sys.b.services.env
	command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + sys.b.services.dir, "HOMING_LISTEN=127.0.0.1:0", "HOMING_ALLOW_HTTP=true",
		"HOMING_ALLOW_ADDRESSES=127.0.0.0/8", "HOMING_ENCRYPTION_KEYS=" + sys.b.sealKey, "DATABASE_URL=" + sys.url,
		"REDIS_URL=" + env["TEST_REDIS_URL"], "HOMING_REDIS_PREFIX=" + sys.name,
	}, s.environ...)
	if s.amqp {
		command.Env = append(command.Env, "RABBITMQ_URL="+env["TEST_RABBITMQ_URL"])
	}
	command.Env = append(command.Env, sys.b.settings.environ...)
	log, err := os.Create(filepath.Join(sys.b.services.dir, sys.name+".log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	command.Stderr = log
	banner, out, err := os.Pipe()
	if err != nil {
		return "", err
	}
	command.Stdout = out
	c, err := start(command)
	_ = out.Close()
	if err != nil {
		return "", err
	}
	sys.homing = append(sys.homing, c)
	addr, err := readAddress(ctx, banner)
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return "", fmt.Errorf("homing does not start: %w: %s", err, text[max(0, len(text)-1000):])
	}
	return addr, nil
}

// startPatience bounds a start.
const startPatience = 30 * time.Second

// readAddress finds the address in the banner and reads on, so that the process can write.
func readAddress(ctx context.Context, banner io.ReadCloser) (string, error) {
	found, closed := make(chan string, 1), make(chan struct{})
	go func() {
		defer banner.Close()
		defer close(closed)
		var once sync.Once
		for lines := bufio.NewScanner(banner); lines.Scan(); {
			if _, rest, ok := strings.Cut(lines.Text(), "http://"); ok && strings.Contains(rest, "/readyz") {
				addr, _, _ := strings.Cut(rest, "/")
				once.Do(func() { found <- addr })
			}
		}
	}()
	select {
	case addr := <-found:
		return addr, nil
	case <-closed:
		return "", errors.New("it ended")
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(startPatience):
		return "", errors.New("it says no address")
	}
}

// close ends Homing and drops the database.
func (sys *system) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	for i := range sys.homing {
		err = errors.Join(err, sys.homing[len(sys.homing)-1-i].stop())
	}
	if sys.store != nil {
		sys.store.Close()
	}
	if sys.db != nil {
		_ = sys.db.Close(ctx)
	}
	admin, dropErr := pgx.Connect(ctx, sys.b.services.database("postgres"))
	if dropErr == nil {
		_, dropErr = admin.Exec(ctx, "DROP DATABASE IF EXISTS "+sys.name+" WITH (FORCE)")
		_ = admin.Close(ctx)
	}
	return errors.Join(err, dropErr)
}

// roots are the processes whose CPU counts.
func (sys *system) roots() map[string][]int {
	roots := sys.b.services.roots()
	for _, c := range sys.homing {
		roots[groupHoming] = append(roots[groupHoming], c.pid())
	}
	roots[groupProducer], roots[groupReceiver] = []int{sys.b.producer.pid()}, []int{sys.b.receiver.pid()}
	return roots
}

// written is how far Postgres has come: the position in the WAL, and the transactions that wrote.
type written struct{ wal, commits int64 }

func (sys *system) written(ctx context.Context) (w written, err error) {
	const ask = `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
		pg_snapshot_xmax(pg_current_snapshot())::text::bigint`
	err = sys.db.QueryRow(ctx, ask).Scan(&w.wal, &w.commits)
	return w, err
}
