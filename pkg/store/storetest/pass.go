package storetest

import (
	"fmt"
	"strings"
	"time"
)

// ShiftSQL returns a Postgres statement that moves every stored moment back by d: each column of type timestamptz or
// date of each table in the schema public (partitions by way of their parents), except those named in keep as
// "table.column", and tables whose name ends in "migrations".
func ShiftSQL(d time.Duration, keep ...string) string {
	quoted := make([]string, 0, len(keep)+1)
	for _, column := range append(keep, "") {
		quoted = append(quoted, "'"+strings.ReplaceAll(column, "'", "''")+"'")
	}
	return fmt.Sprintf(shiftSQL, strings.Join(quoted, ", "), d.Microseconds())
}

const shiftSQL = `
DO $shift$
DECLARE
	shift record;
BEGIN
	FOR shift IN
		SELECT c.oid::regclass AS name,
			string_agg(format(CASE a.atttypid
				WHEN 'date'::regtype THEN '%%1$I = (%%1$I - %%2$L::interval)::date'
				ELSE '%%1$I = %%1$I - %%2$L::interval' END, a.attname, gap.d), ', ') AS moves
		FROM pg_class c
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			CROSS JOIN (SELECT '1 microsecond'::interval * %[2]d AS d) gap
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND c.relname NOT LIKE '%%migrations'
			AND a.atttypid IN ('timestamptz'::regtype, 'date'::regtype)
			AND a.attgenerated = '' AND a.attidentity = ''
			AND c.relname || '.' || a.attname NOT IN (%[1]s)
		GROUP BY c.oid
	LOOP
		EXECUTE format('UPDATE %%s SET %%s', shift.name, shift.moves);
	END LOOP;
END
$shift$`
