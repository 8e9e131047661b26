package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// databasePrefix begins the name of every database that this package makes.
const databasePrefix = "homing_t"

// Postgres returns the URL of a new, empty database, dropped when the test ends. The user is a superuser: a test may
// make roles and extensions, but roles belong to the whole server, so it must give them unique names and drop them.
func Postgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "template0")
}

// PostgresMigrated is Postgres with a schema: the database is a copy of one that migrate has prepared. migrate runs
// once a process, on the first call with that function; it must close its connections before it returns. Functions
// are told apart by their code, so pass a named function or one function literal, not closures over varying values.
func PostgresMigrated(t testing.TB, migrate func(ctx context.Context, url string) error) string {
	t.Helper()
	code := reflect.ValueOf(migrate).Pointer()
	made, _ := templates.LoadOrStore(code, &template{})
	tmpl := made.(*template)
	tmpl.once.Do(func() { tmpl.name, tmpl.err = makeTemplate(t, migrate) })
	if tmpl.err != nil {
		t.Fatalf("testenv: migrate a template database: %v", tmpl.err)
	}
	return newDatabase(t, tmpl.name)
}

// template is a migrated database that others are copied from. It lives as long as the process; the next process to
// use the server sweeps it.
type template struct {
	once sync.Once
	name string
	err  error
}

var (
	templates     sync.Map // of code pointer to *template
	sweepPostgres sync.Once
)

func makeTemplate(t testing.TB, migrate func(ctx context.Context, url string) error) (string, error) {
	t.Helper()
	name, err := createDatabase(t, "template0")
	if err != nil {
		return "", err
	}
	ctx, cancel := callContext()
	defer cancel()
	if err := migrate(ctx, databaseURL(t, name)); err != nil {
		return "", err
	}
	// Postgres copies a database only while nobody is connected to it.
	return name, execPostgres(t, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
}

// newDatabase makes a database for one test.
func newDatabase(t testing.TB, from string) string {
	t.Helper()
	name, err := createDatabase(t, from)
	if err != nil {
		t.Fatalf("testenv: create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := execPostgres(t, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testenv: drop the test's database: %v", err)
		}
	})
	return databaseURL(t, name)
}

func createDatabase(t testing.TB, from string) (string, error) {
	t.Helper()
	sweepPostgres.Do(func() {
		if err := dropAbandoned(t); err != nil {
			t.Logf("testenv: databases left behind by earlier runs: %v", err)
		}
	})
	name, err := newRoom(databasePrefix)
	if err != nil {
		return "", err
	}
	return name, execPostgres(t, "CREATE DATABASE "+name+" TEMPLATE "+from)
}

// databaseURL is the server's URL with another database in it.
func databaseURL(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(setting(t, envPostgres))
	if err != nil {
		t.Fatalf("testenv: %s is not a URL", envPostgres) // not the cause: it would quote the password
	}
	u.Path = "/" + name
	return u.String()
}

func connectPostgres(ctx context.Context, t testing.TB) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(ctx, setting(t, envPostgres))
	if _, refused := errors.AsType[*pgconn.ConnectError](err); refused {
		return nil, fmt.Errorf("%w: %s", err, howTo)
	}
	return conn, err
}

// execPostgres runs one statement on the server's own database, on a connection of its own.
func execPostgres(t testing.TB, statement string) error {
	t.Helper()
	ctx, cancel := callContext()
	defer cancel()
	conn, err := connectPostgres(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// dropAbandoned removes the databases of processes that are gone.
func dropAbandoned(t testing.TB) error {
	t.Helper()
	ctx, cancel := callContext()
	defer cancel()
	conn, err := connectPostgres(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", databasePrefix)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if !abandoned(name, databasePrefix, time.Now()) {
			continue
		}
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}
