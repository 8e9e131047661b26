package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// housekeepBatch bounds the rows deleted in one transaction, so that none holds its locks and its snapshot for long.
const housekeepBatch = 5000

// Housekeep implements [store.Housekeeper]. Each partition and each batch is a transaction of its own. A partition that
// somebody is using just now stays for the next call.
func (s *Store) Housekeep(ctx context.Context, r store.Retention) (store.Housekept, error) {
	var out store.Housekept
	err := s.run(ctx, "make partitions", func(ctx context.Context) (err error) {
		now := time.Now()
		out.PartitionsMade, err = s.makePartitions(ctx, now, now.Add(max(r.Ahead, 0)))
		return err
	})
	if err != nil {
		return out, err
	}
	if err := s.dropPartitions(ctx, r, &out); err != nil {
		return out, err
	}
	if out.KeysExpired, err = s.deleteAll(ctx, expireKeysSQL, s.options.DedupeWindow); err != nil {
		return out, err
	}
	if out.RejectedDropped, err = s.deleteAll(ctx, dropRejectedSQL, r.Rejected); err != nil {
		return out, err
	}
	if _, err = s.deleteAll(ctx, dropCountsSQL, r.Rejected); err != nil {
		return out, err
	}
	if _, err = s.deleteAll(ctx, dropOnceSQL, store.OnceKept); err != nil {
		return out, err
	}
	if _, err = s.deleteAll(ctx, dropPortalsSQL, store.PortalKept); err != nil {
		return out, err
	}
	if _, err = s.deleteAll(ctx, dropJobsSQL, store.JobKept); err != nil {
		return out, err
	}
	if _, err = s.deleteAll(ctx, dropSecretsSQL, time.Duration(0)); err != nil {
		return out, err
	}
	if err = s.dropCounted(ctx, r); err != nil {
		return out, err
	}
	return out, s.run(ctx, "note that house was kept", func(ctx context.Context) error {
		_, err := s.pool.Exec(ctx, "UPDATE housekept SET at = clock_timestamp()")
		return err
	})
}

// dropCounted deletes counts past their retention, and notices that have been told and counted.
func (s *Store) dropCounted(ctx context.Context, r store.Retention) error {
	if _, err := s.deleteAll(ctx, dropNoticesSQL, noticesKept); err != nil || r.Tallies <= 0 {
		return err
	}
	for _, width := range []int{sliceWidth, spanWidth} {
		if _, err := s.deleteAll(ctx, dropTalliesSQL, min(r.Tallies, store.TallyKept), width); err != nil {
			return err
		}
	}
	if _, err := s.deleteAll(ctx, dropTalliesSQL, r.Tallies, hourWidth); err != nil {
		return err
	}
	_, err := s.deleteAll(ctx, dropHealthSQL, r.Tallies)
	return err
}

// noticesKept is how long a notice that was told is kept at least, for who wants to know what was told.
const noticesKept = 24 * time.Hour

// deleteAll deletes what is older than an age, batch by batch.
func (s *Store) deleteAll(ctx context.Context, sql string, age time.Duration, more ...any) (deleted int, err error) {
	for {
		var n int
		err := s.run(ctx, "delete what is over", func(ctx context.Context) error {
			tag, err := s.pool.Exec(ctx, sql, append([]any{age, housekeepBatch}, more...)...)
			n = int(tag.RowsAffected())
			return err
		})
		deleted += n
		if err != nil || n < housekeepBatch {
			return deleted, err
		}
	}
}

// partition is a week of one of the large tables.
type partition struct {
	parent string
	week   time.Time
}

// dropPartitions drops what is past its retention. Of a week, attempts go first and events last, so that whatever
// happens in between, an event is there as long as its deliveries are.
func (s *Store) dropPartitions(ctx context.Context, r store.Retention, out *store.Housekept) error {
	var all []partition
	err := s.run(ctx, "list partitions", func(ctx context.Context) error {
		rows, err := s.pool.Query(ctx, partitionsSQL)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p partition, err error) {
			return p, row.Scan(&p.parent, &p.week)
		})
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range all {
		keep := r.Events
		if p.parent == "attempts" {
			keep = min(r.Attempts, r.Events)
		}
		// By the process' clock: it is days that are compared.
		if keep <= 0 || p.week.Add(week).After(time.Now().Add(-keep)) {
			continue
		}
		if err := s.dropPartition(ctx, p, out); err != nil {
			return err
		}
	}
	return nil
}

// week is the span of a partition.
const week = 7 * 24 * time.Hour

// dropPartition drops one partition, unless something in it is live, or somebody is at the table right now.
func (s *Store) dropPartition(ctx context.Context, p partition, out *store.Housekept) error {
	return s.run(ctx, "drop partition", func(ctx context.Context) error {
		var dropped bool
		err := s.pool.QueryRow(ctx, "SELECT drop_partition($1, $2)", p.parent, p.week).Scan(&dropped)
		switch {
		case hasCode(err, codeLockTimeout):
			return nil // the next call will
		case err != nil:
			return err
		case dropped:
			out.PartitionsDropped++
		default:
			out.PartitionsKept++
		}
		return nil
	})
}

// Agenda implements [store.Housekeeper]. It is one question, by indexes that hold what there is to do and little else.
func (s *Store) Agenda(ctx context.Context, rule webhook.FailingRule) (store.Agenda, error) {
	var w store.Agenda
	err := s.run(ctx, "agenda", func(ctx context.Context) error {
		var due *bool
		err := s.pool.QueryRow(ctx, agendaSQL, rule.Window, store.TallySettled).Scan(&w.Overdue, &due, &w.NextJob,
			&w.Redrives, &w.Notices, &w.Uncounted, &w.Housekept)
		w.Jobs = due != nil && *due
		return err
	})
	return w, err
}

// Stats implements [store.Housekeeper]. It reads the live deliveries only, at most store.StatsCap of them, those first
// whose wake time comes first: what could be sent is among them.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	var stats store.Stats
	err := s.run(ctx, "stats", func(ctx context.Context) error {
		e := &stats.Endpoints
		return s.pool.QueryRow(ctx, statsSQL, store.StatsCap).Scan(&stats.Live, &stats.OldestDue,
			&e.Active, &e.Failing, &e.Paused, &e.Disabled)
	})
	return stats, err
}
