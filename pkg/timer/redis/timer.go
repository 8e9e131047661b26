// Package redis keeps timers in Redis, shared by all the processes of a deployment.
//
// It owns one structure: sorted sets, the shards, each with entries as members and, as score, the microseconds at which
// an entry is due. A claim gives an entry the end of its lease as its new score, in one script, so there is no second
// place from which an entry could be lost, and nothing to clean up after a process that died:
//
//	Set ──► score = due ──claim──► score = end of lease ──Done──► gone
//	              ▲                    │   │
//	              └────── Set anew ────┘   └── lease over: due again
//
// It promises what [timer.Timer] promises, one round trip a call (rarely two or three: a script that Redis has
// forgotten, a claim whose limit is uneven over the shards), and that every failure wraps [timer.ErrUnavailable]
// within the timeout. Each script and command touches one key, so a cluster will do. It never polls, never blocks
// Redis for long, and never keeps more than ids: 40 bytes an entry, some 130 with what Redis adds.
//
// The attempt is part of what an entry is. A timer set for a later attempt of a delivery leaves the earlier one, which
// fires as a stale hint that the claim of the delivery then refuses; keeping one per delivery would take a second
// structure for no more than that.
//
// When Redis is wiped, fails over or is full, timers are lost, and the reconciler finds what they were for.
package redis

import (
	"context"
	_ "embed" // of the scripts
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/homing-hooks/homing/pkg/timer"
)

var (
	//go:embed claim.lua
	claimSource string
	//go:embed done.lua
	doneSource string

	claimScript = goredis.NewScript(claimSource)
	doneScript  = goredis.NewScript(doneSource)
)

// Timer is a [timer.Timer] in Redis. Make one with [Open] or [New].
type Timer struct {
	client  goredis.UniversalClient
	timeout time.Duration
	keys    []string // by shard
	closing sync.Once
}

var _ timer.Timer = (*Timer)(nil)

// unavailable wraps an error once.
func unavailable(call string, err error) error {
	return fmt.Errorf("redis timer: %s: %w: %w", call, timer.ErrUnavailable, err)
}

// Set implements [timer.Timer].
func (t *Timer) Set(ctx context.Context, entries []timer.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	shards := make([][]goredis.Z, len(t.keys))
	for i := range entries {
		shard, m := t.shardOf(&entries[i]), encode(&entries[i])
		shards[shard] = append(shards[shard], goredis.Z{
			Score: float64(timer.DueMicros(entries[i].Due)), Member: string(m[:]),
		})
	}
	pipe := t.client.Pipeline()
	for shard, members := range shards {
		if len(members) > 0 {
			pipe.ZAdd(ctx, t.keys[shard], members...)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return unavailable("set", err)
	}
	return nil
}

// Claim implements [timer.Timer]. The limit is shared out evenly over the shards, and what some of them leave of it
// goes to the others, so entries are claimed earliest first in each shard and about so in all. When a call fails
// after some entries were claimed, these come back when their lease is over.
func (t *Timer) Claim(
	ctx context.Context, now time.Time, limit int, lease time.Duration,
) (claimed []timer.Entry, next time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	c := claim{
		now: now.UnixMicro(), until: timer.LeaseMicros(now, lease),
		next: make(map[string]int64), taken: make(map[string]int),
	}
	// A limit smaller than the number of shards must not favour the first of them.
	start := rand.IntN(len(t.keys))
	shards := slices.Concat(t.keys[start:], t.keys[:start])
	for {
		left := max(0, limit-len(c.claimed))
		replies, err := t.run(ctx, claimScript, c.share(shards, left))
		if err != nil {
			return nil, time.Time{}, unavailable("claim", err)
		}
		for i, key := range shards {
			if err := c.add(key, replies[i]); err != nil {
				return nil, time.Time{}, unavailable("claim", err)
			}
		}
		shards = slices.DeleteFunc(shards, func(key string) bool { return !c.moreDue(key) })
		if len(shards) == 0 || len(c.claimed) >= limit {
			break
		}
	}
	slices.SortFunc(c.claimed, func(a, b timer.Entry) int { return a.Due.Compare(b.Due) })
	return c.claimed, c.earliest(), nil
}

// claim is one call of Claim under way.
type claim struct {
	now, until int64
	claimed    []timer.Entry
	next       map[string]int64 // by shard; none for one that has no more
	taken      map[string]int   // by shard
}

// share makes the calls that together take up to limit entries.
func (c *claim) share(shards []string, limit int) []call {
	calls := make([]call, len(shards))
	for i, key := range shards {
		take := limit / len(shards)
		if i < limit%len(shards) {
			take++
		}
		calls[i] = call{key: key, args: []any{c.now, take, c.until, memberSize, c.taken[key]}}
	}
	return calls
}

// add reads what the script answered for one shard.
func (c *claim) add(key string, reply *goredis.Cmd) error {
	fields, err := reply.StringSlice()
	if err != nil {
		return err
	}
	if len(fields)%2 == 0 {
		return fmt.Errorf("a script answered %d fields", len(fields))
	}
	delete(c.next, key)
	if fields[0] != "" {
		if c.next[key], err = parseScore(fields[0]); err != nil {
			return err
		}
	}
	for i := 1; i < len(fields); i += 2 {
		e, ok := decode(fields[i])
		if !ok {
			return fmt.Errorf("a script answered a member of %d bytes", len(fields[i]))
		}
		score, err := parseScore(fields[i+1])
		if err != nil {
			return err
		}
		e.Due, e.Lease = timer.Moment(score), timer.Moment(c.until)
		c.claimed = append(c.claimed, e)
	}
	c.taken[key] += len(fields) / 2
	return nil
}

// moreDue reports whether a shard has more entries that are due than it was asked for.
func (c *claim) moreDue(key string) bool {
	next, ok := c.next[key]
	return ok && next <= c.now
}

// earliest is the earliest next of all shards.
func (c *claim) earliest() time.Time {
	var first time.Time
	for _, micros := range c.next {
		if next := timer.Moment(micros); first.IsZero() || next.Before(first) {
			first = next
		}
	}
	return first
}

// Done implements [timer.Timer].
func (t *Timer) Done(ctx context.Context, claimed []timer.Entry) error {
	if len(claimed) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	shards := make([][]any, len(t.keys))
	for i := range claimed {
		shard, m := t.shardOf(&claimed[i]), encode(&claimed[i])
		shards[shard] = append(shards[shard], string(m[:]), claimed[i].Lease.UnixMicro())
	}
	var calls []call
	for shard, args := range shards {
		if len(args) > 0 {
			calls = append(calls, call{key: t.keys[shard], args: args})
		}
	}
	if _, err := t.run(ctx, doneScript, calls); err != nil {
		return unavailable("done", err)
	}
	return nil
}

// Len implements [timer.Timer].
func (t *Timer) Len(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	pipe := t.client.Pipeline()
	counts := make([]*goredis.IntCmd, len(t.keys))
	for i, key := range t.keys {
		counts[i] = pipe.ZCard(ctx, key)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, unavailable("len", err)
	}
	total := 0
	for _, count := range counts {
		total += int(count.Val())
	}
	return total, nil
}

// Close implements [timer.Timer]. The entries stay in Redis.
func (t *Timer) Close() error {
	var err error
	t.closing.Do(func() { err = t.client.Close() })
	if err != nil {
		return fmt.Errorf("redis timer: close: %w", err)
	}
	return nil
}

// call is one run of a script.
type call struct {
	key  string
	args []any
}

// run runs a script for several keys in one round trip, and in a second one, with its source, where Redis does not know
// it: that is so when Redis was started anew or its scripts were flushed.
func (t *Timer) run(ctx context.Context, script *goredis.Script, calls []call) ([]*goredis.Cmd, error) {
	replies := make([]*goredis.Cmd, len(calls))
	pipe := t.client.Pipeline()
	for i, c := range calls {
		replies[i] = script.EvalSha(ctx, pipe, []string{c.key}, c.args...)
	}
	_, err := pipe.Exec(ctx)
	if !goredis.HasErrorPrefix(err, noScript) {
		return replies, err
	}
	for i, c := range calls {
		switch err := replies[i].Err(); {
		case goredis.HasErrorPrefix(err, noScript):
			replies[i] = script.Eval(ctx, pipe, []string{c.key}, c.args...)
		case err != nil:
			return nil, err
		}
	}
	_, err = pipe.Exec(ctx)
	return replies, err
}

// noScript begins the error of a Redis that does not know a script.
const noScript = "NOSCRIPT"

// parseScore reads a score as Redis writes it: %.17g, which for the numbers used here has all digits. The bounds are
// for what others may have put there, such as infinity.
func parseScore(s string) (int64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("a score is no number: %q", s)
	}
	return int64(max(0, min(f, 1<<53))), nil
}
