// Package redis grants sends by rate limits kept in Redis, shared by all the processes of a deployment.
//
// It owns one small key for each endpoint that was asked for in the last two minutes or so; the keys expire by
// themselves. It promises what [gate.Gate] promises, one round trip a call (two after Redis has forgotten the
// script), and that every failure wraps [gate.ErrUnavailable] within the timeout. The script touches one key, so a
// cluster will do. Time is the caller's: processes whose clocks differ by some milliseconds grant that much more or
// less around a burst. It never polls and keeps nothing but counts; wiped, it forgets at most one burst of each
// endpoint.
package redis

import (
	"context"
	_ "embed" // of the script
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/homing-hooks/homing/pkg/gate"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var (
	//go:embed take.lua
	takeSource string

	takeScript = goredis.NewScript(takeSource)
)

// Gate is a [gate.Gate] in Redis. Make one with [Open] or [New].
type Gate struct {
	client  goredis.UniversalClient
	timeout time.Duration
	prefix  string
	closing sync.Once
}

var _ gate.Gate = (*Gate)(nil)

// key is the key of an endpoint's meter; v2, for v1 counted by the second. The braces are a hash tag, by which a
// cluster spreads them over its nodes.
func (g *Gate) key(endpoint webhook.ID) string {
	return g.prefix + "gate:v2:{" + endpoint.String() + "}"
}

// Take implements [gate.Gate].
func (g *Gate) Take(ctx context.Context, now time.Time, requests []gate.Request) ([]gate.Grant, error) {
	if len(requests) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	replies, err := g.run(ctx, now.UnixMicro(), requests)
	if err != nil {
		return nil, unavailable(err)
	}
	grants := make([]gate.Grant, len(requests))
	for i, reply := range replies {
		numbers, err := reply.Int64Slice()
		if err != nil {
			return nil, unavailable(err)
		}
		if len(numbers) != 2 {
			return nil, unavailable(fmt.Errorf("the script answered %d numbers", len(numbers)))
		}
		grants[i] = gate.Grant{Granted: int(numbers[0]), RetryIn: time.Duration(numbers[1]) * time.Microsecond}
	}
	return grants, nil
}

func unavailable(err error) error {
	return fmt.Errorf("redis gate: take: %w: %w", gate.ErrUnavailable, err)
}

// run runs the script for all requests in one round trip. Where Redis does not know it, because it was started anew or
// its scripts were flushed, it runs in a second one, with its source.
func (g *Gate) run(ctx context.Context, now int64, requests []gate.Request) ([]*goredis.Cmd, error) {
	replies := make([]*goredis.Cmd, len(requests))
	pipe := g.client.Pipeline()
	for i, r := range requests {
		replies[i] = takeScript.EvalSha(ctx, pipe, []string{g.key(r.Endpoint)}, now, gate.ClampRate(r.PerMinute), r.Want)
	}
	_, err := pipe.Exec(ctx)
	if !goredis.HasErrorPrefix(err, noScript) {
		return replies, err
	}
	for i, r := range requests {
		switch err := replies[i].Err(); {
		case goredis.HasErrorPrefix(err, noScript):
			replies[i] = takeScript.Eval(ctx, pipe, []string{g.key(r.Endpoint)}, now, gate.ClampRate(r.PerMinute), r.Want)
		case err != nil:
			return nil, err
		}
	}
	_, err = pipe.Exec(ctx)
	return replies, err
}

// noScript begins the error of a Redis that does not know a script.
const noScript = "NOSCRIPT"

// Close implements [gate.Gate].
func (g *Gate) Close() error {
	var err error
	g.closing.Do(func() { err = g.client.Close() })
	if err != nil {
		return fmt.Errorf("redis gate: close: %w", err)
	}
	return nil
}
