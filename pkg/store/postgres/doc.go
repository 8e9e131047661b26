// Package postgres is the store in Postgres: the only place where Homing's promises are kept.
//
// It owns the schema (migrations, embedded), the statements (queries/*.sql, embedded) and everything that is pgx: no
// other package sees a driver type or a driver error. It promises what [store.Store] promises, and in particular:
//
//   - Accept and Claim commit synchronously, whatever the database's default is, in one round trip each.
//   - Every moment comes from the database's clock, read once a statement, so that the rows of a statement agree.
//   - Start-up does not need the database: connections are made when they are needed, and an operation that finds none
//     answers store.ErrUnavailable.
//   - No error text holds a value of a row, a secret or a password.
//
// It never decides what a delivery does next: the reconciler's moves are those of webhook.Policy, applied here under a
// row lock.
//
// # How the statements are written
//
// Groups go in as arrays. A row of a large table is found by `id = ANY($1)` with the bounds of the group's ids beside
// it: the first can only be served by the primary key, so the plan stays right on a table that was empty when the
// plan was made; the second lets the executor leave out the partitions of other weeks. What belongs to a row is found
// in the other arrays at `width_bucket(id, $1)`, which is a bisection, because the ids are sorted. For the same
// reason rows are locked in the order of their ids, so two groups cannot wait for each other; should they all the
// same (40P01), the statement is repeated. Plans are made once a connection (plan_cache_mode), for planning costs
// more than running them.
//
// # Partitions
//
// events, deliveries and attempts are partitioned by week, by the time in their ids. A delivery's id has the
// millisecond of its event's, so that the two are of the same week and the bounds of one give those of the other.
// There is no default partition: a write that finds none makes it and is repeated.
package postgres
