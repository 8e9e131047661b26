package postgres

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/security/database-roles.md")

const rolesDocument = "../../../docs/security/database-roles.md"

// grants is one line of the document: what a role may do with a table or a function.
type grants struct {
	Role, Kind, Object string
	Rights             string // SELECT, INSERT, UPDATE (a, b)
}

// granted asks Postgres itself, so that the document cannot say less than what is true. Rights to a whole table are not
// said again by column.
const granted = `
WITH ours AS (SELECT oid, rolname FROM pg_roles WHERE rolname ~ '^homing_(ingest|deliver|retry|manage)$'),
tables AS (
    SELECT c.oid, c.relname, c.relacl FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v')
), whole AS (
    SELECT t.oid, t.relname, o.rolname, a.privilege_type AS word
    FROM tables t, aclexplode(t.relacl) a JOIN ours o ON o.oid = a.grantee
), part AS (
    SELECT t.relname, o.rolname, a.privilege_type AS word, string_agg(c.attname, ', ' ORDER BY c.attname) AS columns
    FROM tables t JOIN pg_attribute c ON c.attrelid = t.oid, aclexplode(c.attacl) a JOIN ours o ON o.oid = a.grantee
    WHERE NOT EXISTS (
        SELECT FROM whole w WHERE w.oid = t.oid AND w.rolname = o.rolname AND w.word = a.privilege_type
    )
    GROUP BY t.relname, o.rolname, a.privilege_type
), words AS (
    SELECT rolname, 'table' AS kind, relname AS object, word FROM whole
    UNION ALL SELECT rolname, 'table', relname, word || ' (' || columns || ')' FROM part
    UNION ALL SELECT o.rolname, 'function', p.proname, a.privilege_type
    FROM pg_proc p, aclexplode(p.proacl) a JOIN ours o ON o.oid = a.grantee
    WHERE p.pronamespace = current_schema()::regnamespace
)
SELECT rolname, kind, object, string_agg(word, ', ' ORDER BY word) FROM words GROUP BY 1, 2, 3 ORDER BY 1, 2 DESC, 3`

// TestRolesAreDocumented compares the document with what the migrations have granted. Run it with -update to write it.
func TestRolesAreDocumented(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rows, err := b.pool.Query(b.ctx, granted)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[grants])
	require.NoError(t, err)
	require.NotEmpty(t, all)
	var members string
	require.NoError(t, b.pool.QueryRow(b.ctx, `
	    SELECT coalesce(string_agg(m.rolname || ' is a member of ' || r.rolname, '; ' ORDER BY m.rolname), 'none')
	    FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
	    WHERE m.rolname ~ '^homing_(ingest|deliver|retry|manage)$'`).Scan(&members))
	text := rolesText(all, members)
	if *update {
		require.NoError(t, os.WriteFile(rolesDocument, []byte(text), 0o644))
	}
	kept, err := os.ReadFile(rolesDocument)
	require.NoError(t, err)
	require.Equal(t, text, string(kept), "write it anew: go test ./pkg/store/postgres -run TestRolesAreDocumented -update")
}

func rolesText(all []grants, members string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by TestRolesAreDocumented in pkg/store/postgres from what is granted; do not edit. -->

# Roles of the database

Each function takes on a role of its own in every connection (`+"`HOMING_DATABASE_ROLE`"+`); its login should
be a member of that role and of no other. The migrations make the roles, which cannot log in, and grant them what is
below and nothing else. Only the migration's login owns anything. Among themselves: %s.

That each role can do its work is shown by `+"`TestRolesCanDoTheirOwn`"+`, `+"`TestRoleOfManageCanDoItsOwn`"+` and
`+"`TestRolesCanWorkOnJobs`"+`; that it cannot do others', by `+"`TestRolesCannotDoWhatIsNotTheirs`"+`.
`, members)
	role := ""
	for _, g := range all {
		if g.Role != role {
			role = g.Role
			fmt.Fprintf(&b, "\n## %s\n\n| | | may |\n|---|---|---|\n", role)
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", g.Kind, g.Object, g.Rights)
	}
	return b.String()
}
