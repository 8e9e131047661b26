package postgres

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
)

// While a version is rolled out, and after it is rolled back, the code before it works on the new schema. So a
// migration only adds (expand); what a release has stopped using goes with a later one (contract), which says so in a
// comment:
//
//	-- contract: endpoints.colour, unused since 0.4.0
//
// What a migration does is seen by what Postgres has before and after it, so that nothing hides in a DO block.

// column is what code may rely on in one.
type column struct {
	typ                 string
	notNull, hasDefault bool
}

// shape is what code may rely on in a schema, by name.
type shape struct {
	tables      map[string]bool
	columns     map[string]column   // table.column
	constraints map[string]string   // their tables, by "table: text"
	functions   map[string]function // name(arguments)
}

type function struct {
	name      string
	arguments []string
	defaults  int
	returns   string
}

// shapeOf reads a schema. Partitions are left out: they are as their table.
func shapeOf(ctx context.Context, t *testing.T, conn *pgx.Conn) shape {
	t.Helper()
	s := shape{map[string]bool{}, map[string]column{}, map[string]string{}, map[string]function{}}
	each := func(sql string, into func(pgx.CollectableRow) error) {
		rows, err := conn.Query(ctx, sql)
		require.NoError(t, err)
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, into(row) })
		require.NoError(t, err)
	}
	each(`SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
			a.atthasdef OR a.attidentity <> ''
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
		func(row pgx.CollectableRow) error {
			var table, name string
			var c column
			err := row.Scan(&table, &name, &c.typ, &c.notNull, &c.hasDefault)
			s.tables[table], s.columns[table+"."+name] = true, c
			return err
		})
	each(`SELECT c.relname, x.says FROM pg_class c JOIN (
			SELECT conrelid AS rel, pg_get_constraintdef(oid) AS says FROM pg_constraint
			WHERE contype IN ('c', 'u', 'f', 'x', 'p')
			UNION
			SELECT indrelid, 'UNIQUE' || substring(pg_get_indexdef(indexrelid) FROM ' USING .*') FROM pg_index
			WHERE indisunique AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
		) x ON x.rel = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition`,
		func(row pgx.CollectableRow) error {
			var table, says string
			err := row.Scan(&table, &says)
			s.constraints[table+": "+says] = table
			return err
		})
	each(`SELECT proname, pronargs, coalesce(string_agg(format_type(a, NULL), ',' ORDER BY i), ''), pronargdefaults,
			pg_get_function_result(p.oid)
		FROM pg_proc p LEFT JOIN LATERAL unnest(p.proargtypes) WITH ORDINALITY u(a, i) ON true
		WHERE pronamespace = current_schema()::regnamespace AND prorettype <> 'trigger'::regtype
		GROUP BY p.oid, proname, pronargs, pronargdefaults`,
		func(row pgx.CollectableRow) error {
			var f function
			var n int
			var arguments string
			err := row.Scan(&f.name, &n, &arguments, &f.defaults, &f.returns)
			if n > 0 {
				f.arguments = strings.Split(arguments, ",")
			}
			s.functions[f.name+"("+arguments+")"] = f
			return err
		})
	return s
}

// taken is what code that worked on before finds changed in after: by what it is called, and how.
func taken(before, after shape) map[string]string {
	gone := map[string]string{}
	for table := range before.tables {
		if !after.tables[table] {
			gone[table] = "is gone"
		}
	}
	for name, old := range before.columns {
		table, _, _ := strings.Cut(name, ".")
		if !after.tables[table] {
			continue
		}
		now, ok := after.columns[name]
		switch {
		case !ok:
			gone[name] = "is gone"
		case now.typ != old.typ:
			gone[name] = "is " + now.typ + ", was " + old.typ
		case now.notNull && !old.notNull:
			gone[name] = "may not be null any more"
		case now.notNull && old.hasDefault && !now.hasDefault:
			gone[name] = "has no default any more"
		}
	}
	for name, now := range after.columns {
		table, _, _ := strings.Cut(name, ".")
		if _, old := before.columns[name]; !old && before.tables[table] && now.notNull && !now.hasDefault {
			gone[name] = "is new, may not be null, and has no default: code that does not know it cannot insert"
		}
	}
	maps.Copy(gone, tightened(before, after))
	maps.Copy(gone, uncallable(before, after))
	return gone
}

// tightened are the constraints that are new on what was there. Those about new columns alone bind nobody who does not
// know them.
func tightened(before, after shape) map[string]string {
	found := map[string]string{}
	for says, table := range after.constraints {
		if _, old := before.constraints[says]; old || !before.tables[table] {
			continue
		}
		for name := range before.columns {
			of, column, _ := strings.Cut(name, ".")
			if of == table && regexp.MustCompile(`\b`+regexp.QuoteMeta(column)+`\b`).MatchString(says) {
				found[table] = "has a new constraint: " + says
			}
		}
	}
	return found
}

// takes reports whether a call of old may be one of f, which has more arguments, with defaults.
func (f function) takes(old function) bool {
	more := len(f.arguments) - len(old.arguments)
	return f.name == old.name && more > 0 && f.defaults >= more &&
		slices.Equal(f.arguments[:len(old.arguments)], old.arguments)
}

// uncallable are the functions that cannot be called any more as they were, or give back something else.
func uncallable(before, after shape) map[string]string {
	found := map[string]string{}
	for name, old := range before.functions {
		now, ok := after.functions[name]
		for _, f := range after.functions {
			if !ok && f.takes(old) {
				now, ok = f, true
			}
		}
		switch {
		case !ok:
			found[name] = "is gone"
		case now.returns != old.returns:
			found[name] = "returns " + now.returns + ", and not " + old.returns
		}
	}
	return found
}

var contracts = regexp.MustCompile(`(?m)^-- contract: (.+), unused since (\d+\.\d+\.\d+)$`)

// refused is what a migration takes away without saying so rightly: released are the versions that may be named.
func refused(before, after shape, sql string, released []string) []string {
	gone := taken(before, after)
	var wrong []string
	for _, match := range contracts.FindAllStringSubmatch(sql, -1) {
		_, takes := gone[match[1]]
		switch {
		case !takes:
			wrong = append(wrong, "says that it takes away "+match[1]+", which it does not")
		case !slices.Contains(released, match[2]):
			wrong = append(wrong, "names a release that is not in CHANGELOG.md: "+match[2])
		}
		delete(gone, match[1])
	}
	for name, how := range gone {
		wrong = append(wrong, fmt.Sprintf("%s %s; if a release has stopped using it: -- contract: %s, unused since X.Y.Z",
			name, how, name))
	}
	slices.Sort(wrong)
	return wrong
}

// releases are the versions that CHANGELOG.md has.
func releases(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../CHANGELOG.md")
	require.NoError(t, err)
	var all []string
	for _, match := range regexp.MustCompile(`(?m)^## \[?(\d+\.\d+\.\d+)`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, match[1])
	}
	return all
}

// scratch is a connection to an empty database.
func scratch(t *testing.T) (context.Context, *pgx.Conn) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testenv.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(ctx)) })
	return ctx, conn
}

// TestMigrationsOnlyAdd applies one migration after the other, and looks at what each takes away.
func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	ctx, conn := scratch(t)
	all, err := migrations(migrationFiles)
	require.NoError(t, err)
	_, err = appliedMigrations(ctx, conn)
	require.NoError(t, err)
	before := shapeOf(ctx, t, conn)
	for _, m := range all {
		require.NoError(t, apply(ctx, conn, m))
		after := shapeOf(ctx, t, conn)
		require.Empty(t, refused(before, after, m.sql, releases(t)), "%04d_%s", m.version, m.name)
		before = after
	}
	require.Greater(t, len(before.columns), 100)
	require.Greater(t, len(before.functions), 10)
}

// TestMigrationsThatTakeAway has each way in which a migration breaks the code before it, and those in which it does
// not.
func TestMigrationsThatTakeAway(t *testing.T) {
	t.Parallel()
	const base = `
		CREATE TABLE pets (id bigint PRIMARY KEY, name text, colour text NOT NULL DEFAULT 'red', weight integer);
		CREATE TABLE toys (id bigint PRIMARY KEY, pet bigint NOT NULL);
		CREATE FUNCTION feed(pet bigint) RETURNS integer LANGUAGE sql AS 'SELECT 1';`
	ctx, conn := scratch(t)
	for name, c := range map[string]struct{ sql, says string }{
		"DropTable":        {`DROP TABLE toys`, "toys is gone"},
		"RenameTable":      {`ALTER TABLE toys RENAME TO things`, "toys is gone"},
		"DropColumn":       {`ALTER TABLE pets DROP COLUMN name`, "pets.name is gone"},
		"RenameColumn":     {`ALTER TABLE pets RENAME name TO called`, "pets.name is gone"},
		"Type":             {`ALTER TABLE pets ALTER weight TYPE numeric`, "pets.weight is numeric, was integer"},
		"SetNotNull":       {`ALTER TABLE pets ALTER name SET NOT NULL`, "pets.name may not be null any more"},
		"NotNullNoDefault": {`ALTER TABLE pets ADD age integer NOT NULL`, "pets.age is new, may not be null"},
		"DropDefault":      {`ALTER TABLE pets ALTER colour DROP DEFAULT`, "pets.colour has no default any more"},
		"Check": {
			`ALTER TABLE pets ADD CHECK (weight > 0)`, "pets has a new constraint: pets: CHECK ((weight > 0))",
		},
		"CheckNotValid": {`ALTER TABLE pets ADD CHECK (weight > 0) NOT VALID`, "pets has a new constraint"},
		"Unique":        {`ALTER TABLE pets ADD UNIQUE (name)`, "pets has a new constraint: pets: UNIQUE (name)"},
		"UniqueIndex":   {`CREATE UNIQUE INDEX ON pets (name) WHERE weight > 1`, "pets has a new constraint"},
		"ForeignKey":    {`ALTER TABLE toys ADD FOREIGN KEY (pet) REFERENCES pets`, "toys has a new constraint"},
		"DropFunction":  {`DROP FUNCTION feed`, "feed(bigint) is gone"},
		"AnArgumentMore": {
			`DROP FUNCTION feed; CREATE FUNCTION feed(p bigint, n integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
			"feed(bigint) is gone",
		},
		"ReturnsOtherwise": {
			`DROP FUNCTION feed; CREATE FUNCTION feed(p bigint) RETURNS text LANGUAGE sql AS 'SELECT 1::text'`,
			"feed(bigint) returns text",
		},
		"HiddenInADoBlock": {`DO $$ BEGIN EXECUTE 'ALTER TABLE pets DROP ' || 'COLUMN name'; END $$`, "pets.name is gone"},
		"WithAnotherComment": {
			"-- pets.name is dropped, for nobody uses it\nALTER TABLE pets DROP COLUMN name", "pets.name is gone",
		},
		"AnUnknownRelease": {
			"-- contract: pets.name, unused since 9.9.9\nALTER TABLE pets DROP COLUMN name", "not in CHANGELOG.md: 9.9.9",
		},
		"AnotherColumn": {
			"-- contract: pets.colour, unused since 0.4.0\nALTER TABLE pets DROP COLUMN name",
			"takes away pets.colour, which it does not",
		},

		"SaidRightly":       {"-- contract: pets.name, unused since 0.4.0\nALTER TABLE pets DROP COLUMN name", ""},
		"AddTable":          {`CREATE TABLE beds (id bigint PRIMARY KEY, pet bigint NOT NULL UNIQUE)`, ""},
		"AddColumn":         {`ALTER TABLE pets ADD age integer CHECK (age > 0)`, ""},
		"AddNotNullDefault": {`ALTER TABLE pets ADD age integer NOT NULL DEFAULT 0`, ""},
		"DropNotNull":       {`ALTER TABLE pets ALTER colour DROP NOT NULL`, ""},
		"Index":             {`CREATE INDEX ON pets (name)`, ""},
		"AnOptionalArgument": {
			`DROP FUNCTION feed; CREATE FUNCTION feed(p bigint, n integer DEFAULT 1) RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
			"",
		},
		"AnotherFunctionBody": {`CREATE OR REPLACE FUNCTION feed(pet bigint) RETURNS integer LANGUAGE sql AS 'SELECT 2'`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conn.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"+base)
			require.NoError(t, err)
			before := shapeOf(ctx, t, conn)
			_, err = conn.Exec(ctx, c.sql)
			require.NoError(t, err)
			wrong := refused(before, shapeOf(ctx, t, conn), c.sql, []string{"0.4.0"})
			if c.says == "" {
				require.Empty(t, wrong)
				return
			}
			require.Contains(t, strings.Join(wrong, "\n"), c.says)
		})
	}
}
