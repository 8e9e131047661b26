package postgres

import (
	"context"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestMigrateOnceEach(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := testenv.Postgres(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	var all []int
	for range 4 {
		group.Go(func() {
			applied, err := Migrate(ctx, url)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, applied...)
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Len(t, all, SchemaVersion(), "four at once, each migration once, in order")
	for i, version := range all {
		require.Equal(t, i+1, version)
	}
	s, err := Open(ctx, url, Options{})
	require.NoError(t, err)
	defer s.Close()
	version, err := s.SchemaVersion(ctx)
	require.NoError(t, err)
	require.Equal(t, SchemaVersion(), version)
}

func TestSchemaVersionOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	s, err := Open(context.Background(), testenv.Postgres(t), Options{})
	require.NoError(t, err)
	defer s.Close()
	version, err := s.SchemaVersion(context.Background())
	require.NoError(t, err)
	require.Zero(t, version)
}

func TestMigrateRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		want error
	}{
		"AnEditedMigration": {"UPDATE schema_migrations SET checksum = 'x' WHERE version = 1", ErrEditedMigration},
		"ANewerDatabase": {
			"INSERT INTO schema_migrations (version, name, checksum) VALUES (999, 'later', 'x')", ErrNewerSchema,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(c.sql)
			applied, err := Migrate(b.ctx, b.url)
			require.ErrorIs(t, err, c.want)
			require.Empty(t, applied)
		})
	}
}

// TestMigrateKeepsWhatWorked has a migration that fails: the ones before it stay, it is undone as a whole, and the next
// run begins with it.
func TestMigrateKeepsWhatWorked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testenv.Postgres(t))
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	files := fstest.MapFS{
		"migrations/0001_one.sql": {Data: []byte("CREATE FUNCTION make_partitions(timestamptz, timestamptz) RETURNS int " +
			"LANGUAGE sql RETURN 0; CREATE FUNCTION grant_to_roles() RETURNS boolean LANGUAGE sql RETURN true")},
		"migrations/0002_two.sql": {Data: []byte("CREATE TABLE made (); SELECT 1/0")},
	}
	all, err := migrations(files)
	require.NoError(t, err)
	applied, err := migrate(ctx, conn, all)
	require.Error(t, err)
	require.Equal(t, []int{1}, applied)
	files["migrations/0002_two.sql"].Data = []byte("CREATE TABLE made ()")
	all, err = migrations(files)
	require.NoError(t, err)
	applied, err = migrate(ctx, conn, all)
	require.NoError(t, err)
	require.Equal(t, []int{2}, applied)
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"Gap":      {"migrations/0001_a.sql": {}, "migrations/0003_b.sql": {}},
		"Twice":    {"migrations/0001_a.sql": {}, "migrations/0001_b.sql": {}},
		"NoNumber": {"migrations/first.sql": {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := migrations(files)
			require.Error(t, err)
		})
	}
}
