package postgres

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/store/storetest"
	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestConformance(t *testing.T) { storetest.Run(t, harness(nil)) }

func BenchmarkConformance(b *testing.B) { storetest.Bench(b, harness(nil)) }

// harness opens a store on a database of its own.
func harness(change func(*Options)) storetest.Open {
	return func(tb testing.TB) storetest.Harness {
		tb.Helper()
		url := testenv.PostgresMigrated(tb, migrated)
		ring, err := seal.Parse(seal.NewKey("test"))
		require.NoError(tb, err)
		// The server of the tests may be younger than an attempt of some policy.
		o := Options{
			Policy: webhook.DefaultPolicy(), DedupeWindow: 24 * time.Hour, Keyring: ring, MaxConns: 4, startGrace: 1,
		}
		if change != nil {
			change(&o)
		}
		ctx := context.Background()
		s, err := Open(ctx, url, o)
		require.NoError(tb, err)
		tb.Cleanup(s.Close)
		exec := func(tb testing.TB, sql string, args ...any) {
			tb.Helper()
			conn, err := pgx.Connect(ctx, url)
			require.NoError(tb, err)
			defer func() { _ = conn.Close(ctx) }()
			_, err = conn.Exec(ctx, sql, args...)
			require.NoError(tb, err)
		}
		return storetest.Harness{
			Store: s, Policy: o.Policy, DedupeWindow: o.DedupeWindow,
			Pass: func(tb testing.TB, d time.Duration) {
				tb.Helper()
				exec(tb, storetest.ShiftSQL(d, "events.ce_time", "write_probe.probed_at"))
				// Secrets in memory are not in the reach of the statement.
				s.targets.mu.Lock()
				defer s.targets.mu.Unlock()
				clear(s.targets.known)
			},
			SpoilSecret: func(tb testing.TB, _ string, secret webhook.ID) {
				tb.Helper()
				exec(tb, "UPDATE endpoint_secrets SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE id = $1",
					secret.String())
			},
		}
	}
}

// TestBehavesLikeMemory runs the same random calls on this store and on the one in memory.
func TestBehavesLikeMemory(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			policy := storetest.ReplayPolicy()
			tested := harness(func(o *Options) { o.Policy, o.DedupeWindow = policy, storetest.ReplayWindow })(t)
			passing := &passing{Store: tested.Store, claimed: map[webhook.Delivery]time.Duration{}}
			pass := tested.Pass
			tested.Store = passing
			tested.Pass = func(tb testing.TB, d time.Duration) {
				pass(tb, d)
				passing.passed += d
			}
			var offset time.Duration
			model := memory.New(memory.Options{
				Policy: policy, DedupeWindow: storetest.ReplayWindow,
				Clock: func() time.Time { return time.Now().Add(offset) },
			})
			t.Cleanup(model.Close)
			storetest.Replay(t, tested, storetest.Harness{
				Store: model, Policy: policy, DedupeWindow: storetest.ReplayWindow,
				Pass: func(_ testing.TB, d time.Duration) { offset += d },
			}, seed, 300)
		})
	}
}

// passing is a store whose time passes by moving back what is stored. It moves back the starts of the attempts that the
// test has in its hands as well.
type passing struct {
	store.Store
	passed  time.Duration
	claimed map[webhook.Delivery]time.Duration // by id and attempt number
}

func (p *passing) Claim(ctx context.Context, r store.ClaimRequest) (store.Claims, error) {
	claims, err := p.Store.Claim(ctx, r)
	for _, w := range claims.Work {
		p.claimed[webhook.Delivery{ID: w.Delivery.ID, Attempt: w.Delivery.Attempt}] = p.passed
	}
	return claims, err
}

func (p *passing) Record(ctx context.Context, results []store.Result) ([]store.Recorded, error) {
	results = slices.Clone(results)
	for i := range results {
		a := &results[i].Attempt
		at := p.claimed[webhook.Delivery{ID: a.Delivery, Attempt: a.Number}]
		a.StartedAt = a.StartedAt.Add(at - p.passed)
	}
	return p.Store.Record(ctx, results)
}
