package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestFlow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	e := b.endpoint()
	items := b.many(3, e)
	c := b.claim(store.ClaimRequest{Items: items[:2]})
	require.Len(t, c.Work, 2)
	w := c.Work[0]
	require.NoError(t, w.Err)
	require.Equal(t, `{"total":1}`, string(w.Event.Data))
	require.Equal(t, "opensesame", w.Target.Headers["X-Token"])
	require.Len(t, w.Target.Secrets, 1)
	require.Equal(t, webhook.StateAttempting, w.Delivery.State)
	c2 := b.claim(store.ClaimRequest{Items: items[:2], Pulls: []store.Pull{{Endpoint: e.ID, Limit: 5}}})
	require.Len(t, c2.Work, 1)
	require.Equal(t, []webhook.ID{e.ID}, c2.Drained)
	rec, err := b.Record(b.ctx, []store.Result{success(w), failure(c.Work[1], time.Hour), failure(c2.Work[0], 0)})
	require.NoError(t, err)
	t.Log(rec)
	require.True(t, rec[0].Applied)
	c3 := b.claim(store.ClaimRequest{Items: []store.ClaimItem{{Delivery: items[1].Delivery, Endpoint: e.ID, Attempt: 1}}})
	require.Len(t, c3.NotDue, 1)
	t.Log(c3)
}
