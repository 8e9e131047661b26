package acceptance_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestAPoisonRowInABusyGroup sends events that the database refuses among others that share their commits: the refused
// are answered for, or kept with the reason, and no other suffers.
func TestAPoisonRowInABusyGroup(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, "HOMING_LOG_LEVEL=info")
	h.Subscribe("all", nil)
	_, err := h.SQL.Exec(t.Context(), "ALTER TABLE events ADD CHECK (ce_id NOT LIKE '%poison%')")
	require.NoError(t, err)
	all := h.Start()
	p := h.Producer(all)
	const producers, each = 16, 20
	var work sync.WaitGroup
	for i := range producers {
		work.Go(func() {
			for n, e := range orders(fmt.Sprint("good-", i), each) {
				p.Send(e)
				if n%10 != i%10 {
					continue
				}
				status, answer, err := p.Post(binary, orders(fmt.Sprint("poison-", i, "-", n), 1)[0])
				if err != nil || status != http.StatusUnprocessableEntity || !strings.Contains(string(answer), "event") {
					t.Errorf("poison is answered %d %s, %v", status, answer, err)
				}
			}
		})
	}
	broker := h.Broker()
	brokered := append(orders("brokered", 20), orders("poison", 3)...)
	for _, e := range brokered {
		require.NoError(t, broker.Publish(t.Context(), bus.BrokerEvents, e.Brokered(t, h.Tenant)))
	}
	p.Took(brokered[:20]...)
	work.Wait()
	require.Equal(t, balance{Expected: producers*each + 20}, h.Settle(p))
	wait(t, patience, "what the broker had is kept with the reason", func() bool {
		return h.Count("SELECT count(*) FROM rejected_events WHERE reason = 'invalid'") == 3
	})
	require.Less(t, all.Metric("homing_ingest_group_events"), producers*each, "nothing shared a commit")
	require.Zero(t, all.Metric("homing_ingest_parked_total"))
}

// TestASecretThatCannotBeOpened: the deliveries of an endpoint whose secret is sealed with a key that is gone fail with
// that reason, and none of those that are claimed together with them.
func TestASecretThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, quick)
	h.Subscribe("good", nil)
	locked := h.Subscribe("locked", nil, func(e *endpoint) { e.Wants = func(*cloudEvent) bool { return false } })
	_, err := h.SQL.Exec(t.Context(), "UPDATE endpoint_secrets SET key_id = 'gone' WHERE endpoint = $1", locked.ID)
	require.NoError(t, err)
	p := h.Producer(h.Start())
	p.SendAs(batched, orders("locked", 100)...)
	wait(t, patience, "all has ended", func() bool {
		return h.Count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL") == 0
	})
	h.Endpoints = h.Endpoints[:1]
	require.Equal(t, balance{Expected: 100}, h.Settle(p))
	require.Len(t, h.list(locked, webhook.StateExhausted), 100)
	require.Empty(t, h.Receiver.All(locked))
	require.Equal(t, 300, h.Count("SELECT count(*) FROM attempts WHERE outcome = 'config_error'"))
}
