package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Errors of [Migrate]. Test with errors.Is.
var (
	// ErrNewerSchema: the database was migrated by a newer version of this code. Migrations go forward only, so deploy
	// that version.
	ErrNewerSchema = errors.New("store: migrate: the database is newer than this code")
	// ErrEditedMigration: a migration that was applied is not the one in this code.
	ErrEditedMigration = errors.New("store: migrate: an applied migration was edited")
)

// migration is one file of migrations/: 0001_name.sql.
type migration struct {
	version  int
	name     string
	sql      string
	checksum string
}

// How far around now Migrate makes partitions. Housekeep goes on from there.
const (
	migrateBehind = 7 * 24 * time.Hour
	migrateAhead  = 21 * 24 * time.Hour
)

// advisory lock key of migrations: "homing" in ASCII.
const migrateLock = 0x686f6d696e67

// SchemaVersion returns the version of the schema that this code needs.
func SchemaVersion() int {
	all, err := migrations(migrationFiles)
	if err != nil {
		panic(err) // the files are embedded, and a test reads them
	}
	return all[len(all)-1].version
}

// Migrate brings the database of url to the schema of this code, makes the partitions of the weeks around now, and
// returns the versions that it applied. It may be run by several processes at once and at any time: one at a time gets
// to work, and each migration is one transaction. Errors: [ErrNewerSchema], [ErrEditedMigration], store.ErrUnavailable.
func Migrate(ctx context.Context, url string) (applied []int, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("store: migrate: the database URL cannot be read") // not the cause: it quotes the URL
	}
	config.RuntimeParams["timezone"] = "UTC"
	all, err := migrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, classify("migrate", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	applied, err = migrate(ctx, conn, all)
	if errors.Is(err, ErrNewerSchema) || errors.Is(err, ErrEditedMigration) {
		return applied, err
	}
	return applied, classify("migrate", err)
}

// migrations reads the files in order.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for i, path := range names { // Glob sorts
		number, name, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("store: migrate: %s does not follow its predecessor", path)
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version, name, string(text), hex.EncodeToString(sum[:])})
	}
	return all, nil
}

// migrate applies what is missing.
func migrate(ctx context.Context, conn *pgx.Conn, all []migration) (applied []int, err error) {
	// Of the session, so that it holds over the transactions; it goes with the connection.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
		return nil, err
	}
	done, err := appliedMigrations(ctx, conn)
	if err != nil {
		return nil, err
	}
	if len(done) > len(all) {
		return nil, fmt.Errorf("%w: it has version %d, the code %d", ErrNewerSchema, len(done), len(all))
	}
	for i, checksum := range done {
		if checksum != all[i].checksum {
			return nil, fmt.Errorf("%w: %04d_%s", ErrEditedMigration, all[i].version, all[i].name)
		}
	}
	for _, m := range all[len(done):] {
		if err := apply(ctx, conn, m); err != nil {
			return applied, fmt.Errorf("%04d_%s: %w", m.version, m.name, err)
		}
		applied = append(applied, m.version)
	}
	now := time.Now()
	_, err = conn.Exec(ctx, "SELECT make_partitions($1, $2)", now.Add(-migrateBehind), now.Add(migrateAhead))
	if err != nil {
		return applied, err
	}
	_, err = conn.Exec(ctx, "SELECT grant_to_roles()")
	return applied, err
}

// appliedMigrations returns the checksums of what was applied, in order.
func appliedMigrations(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	_, err := conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		version    integer PRIMARY KEY,
		name       text NOT NULL,
		checksum   text NOT NULL,
		applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT checksum FROM schema_migrations ORDER BY version")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// apply runs one migration and notes it, in one transaction.
func apply(ctx context.Context, conn *pgx.Conn, m migration) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, m.sql); err != nil { // without arguments: several statements are allowed
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
			m.version, m.name, m.checksum)
		return err
	})
}

// SchemaVersion returns the version that the database has: 0 when it was never migrated. It is what readiness compares
// with [SchemaVersion].
func (s *Store) SchemaVersion(ctx context.Context) (version int, err error) {
	err = s.run(ctx, "schema version", func(ctx context.Context) error {
		err := s.pool.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_migrations").Scan(&version)
		if hasCode(err, codeUndefinedTable) {
			return nil
		}
		return err
	})
	return version, err
}
