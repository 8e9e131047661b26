package storetest_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store/storetest"
	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestShiftSQL(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testenv.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(t.Context())) })
	exec := func(sql string) {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec(`
		CREATE TABLE a (id integer PRIMARY KEY, at timestamptz, "Odd Name" timestamptz, day date, kept timestamptz, n integer)
			PARTITION BY RANGE (id);
		CREATE TABLE a_1 PARTITION OF a FOR VALUES FROM (0) TO (10);
		CREATE TABLE a_2 PARTITION OF a FOR VALUES FROM (10) TO (20);
		CREATE TABLE b (n integer);
		CREATE TABLE schema_migrations (at timestamptz);
		INSERT INTO schema_migrations VALUES ('2026-01-02 03:04:05Z');
		INSERT INTO a SELECT n, '2026-01-02 03:04:05Z', '2026-01-02 03:04:06Z', '2026-01-02', '2026-01-02 03:04:05Z', 7
			FROM generate_series(1, 19, 9) n;
		INSERT INTO a (id) VALUES (2);`)

	exec(storetest.ShiftSQL(36*time.Hour+1500*time.Microsecond, "a.kept", "b.it's"))

	var at, odd, kept, migrated time.Time
	var day string
	var rows, same int
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT min(at), min("Odd Name"), min(day)::text, min(kept), count(at), count(DISTINCT (at, day, kept, n)),
			(SELECT at FROM schema_migrations)
		FROM a WHERE at IS NOT NULL`).Scan(&at, &odd, &day, &kept, &rows, &same, &migrated))
	was := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.WithinDuration(t, was.Add(-36*time.Hour-1500*time.Microsecond), at, 0)
	require.WithinDuration(t, was.Add(-36*time.Hour-1500*time.Microsecond+time.Second), odd, 0)
	require.Equal(t, "2025-12-31", day, "a day that began 36 hours earlier was another")
	require.WithinDuration(t, was, kept, 0)
	require.WithinDuration(t, was, migrated, 0)
	require.Equal(t, []int{3, 1}, []int{rows, same}, "each row of each partition, once")
}
