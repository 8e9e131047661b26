package acceptance_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/test/homingtest"
)

// ask makes a request of the management API, and returns the answer.
func (h *installation) ask(p *process, method, path string, body any) map[string]any {
	h.T.Helper()
	text, err := json.Marshal(body)
	require.NoError(h.T, err)
	req, err := http.NewRequestWithContext(h.T.Context(), method, p.Base+path, bytes.NewReader(text))
	require.NoError(h.T, err)
	req.Header.Set("Authorization", "Bearer "+h.Key)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	require.NoError(h.T, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(h.T, err)
	require.Less(h.T, res.StatusCode, 300, "%s", answer)
	var out map[string]any
	require.NoError(h.T, json.Unmarshal(answer, &out))
	return out
}

// exhausted stores n events whose deliveries to an endpoint have been given up, as an outage leaves them.
func (h *installation) exhausted(e *endpoint, p *process, n int) {
	h.T.Helper()
	const each = 500
	h.SetStatus(e, webhook.EndpointPaused)
	producer := h.Producer(p)
	for sent := 0; sent < n; sent += each {
		producer.SendAs(batched, orders("outage-"+string(rune('a'+sent/each)), each)...)
	}
	_, err := h.SQL.Exec(h.T.Context(), "UPDATE deliveries SET state = 'exhausted', reason = 'schedule', wake_at = NULL")
	require.NoError(h.T, err)
	h.SetStatus(e, webhook.EndpointActive)
}

// TestAReplayGoesOnWhereAKilledProcessLeftIt: of a range of 3,000 deliveries each is replayed once, whoever is killed
// between or in the middle of its chunks, and each replay is delivered as often as the records of attempts say.
func TestAReplayGoesOnWhereAKilledProcessLeftIt(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]homingtest.Services{"OnPostgresAlone": postgresAlone, "OnAllServices": allServices} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n, kills = 3000, 3
			h := install(t, s, "HOMING_ATTEMPT_TIMEOUT=3s")
			e := h.Subscribe("mended", nil)
			running := h.Spawn("homing", "serve")
			h.WaitForQueues()
			h.exhausted(e, running, n)
			answer := h.ask(running, "POST", "/v1/replays", map[string]any{"endpoint": e.ID, "per_second": 300})
			require.EqualValues(t, n, answer["matched"])
			job := answer["job"].(map[string]any)["id"].(string)
			replays := func() int { return h.Count("SELECT count(*) FROM deliveries WHERE replay_of IS NOT NULL") }
			for kill := range kills {
				// A third of the range at most, so that seconds are left of it however slow the machine is.
				wait(t, patience, "some replays", func() bool { return replays() > kill*n/(3*kills) })
				running.Kill()
				require.Less(t, replays(), n, "killed in the middle")
				running = h.Spawn("homing", "serve")
			}
			wait(t, patience, "the job is done", func() bool {
				return h.ask(running, "GET", "/v1/jobs/"+job, nil)["state"] == "done"
			})
			wait(t, patience, "every replay has ended", func() bool {
				return h.Count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL") == 0
			})

			require.EqualValues(t, n, h.ask(running, "GET", "/v1/jobs/"+job, nil)["done"])
			require.Equal(t, n, replays())
			require.Equal(t, n, h.Count("SELECT count(DISTINCT replay_of) FROM deliveries WHERE replay_of IS NOT NULL"))
			require.Equal(t, n, h.Count("SELECT count(*) FROM deliveries WHERE replay_of IS NOT NULL AND state = 'succeeded'"))
			posts := map[string]int{}
			for _, p := range h.Receiver.All(e) {
				if p.Replay != "" {
					posts[p.Replay]++
				}
			}
			require.Len(t, posts, n, "each has arrived")
			twice := 0
			for _, times := range posts {
				twice += times - 1
			}
			interrupted := h.Count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted'")
			require.LessOrEqual(t, twice, interrupted, "what arrived twice was in flight when a process was killed")
			h.CheckInvariants()
		})
	}
}

// TestResumingDropsWhatWasHeld: nothing of it is sent, and everything that comes after the call is.
func TestResumingDropsWhatWasHeld(t *testing.T) {
	t.Parallel()
	const n = 800
	h := install(t, postgresAlone)
	e := h.Subscribe("away", nil)
	running := h.Start()
	p := h.Producer(running)
	path := "/v1/endpoints/" + e.ID.String()
	h.ask(running, "POST", path+"/pause", nil)
	p.SendAs(batched, orders("unwanted", n)...)
	answer := h.ask(running, "POST", path+"/resume", map[string]any{"held": "drop"})
	job := answer["job"].(map[string]any)["id"].(string)
	wanted := p.Send(orders("wanted", 20)...)
	wait(t, patience, "the job is done", func() bool {
		return h.ask(running, "GET", "/v1/jobs/"+job, nil)["state"] == "done"
	})
	posts := h.Receiver.Wait(e, len(wanted))
	wait(t, patience, "all has ended", func() bool {
		return h.Count("SELECT count(*) FROM deliveries WHERE wake_at IS NOT NULL") == 0
	})
	require.Len(t, posts, len(wanted))
	require.Len(t, h.Receiver.All(e), len(wanted))
	require.Equal(t, n, h.Count("SELECT count(*) FROM deliveries WHERE state = 'cancelled' AND reason = 'by_hand'"))
	require.Equal(t, "active", h.ask(running, "GET", path, nil)["status"])
}

// TestAnErasureOutlivesItsProcesses: the tenant is deleted while its deliveries are in flight, and the process is
// killed while it is erased. Nothing of it stays, and another tenant's deliveries go on.
func TestAnErasureOutlivesItsProcesses(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, "HOMING_ATTEMPT_TIMEOUT=3s")
	require.NoError(t, h.Store.CreateTenant(t.Context(), "leaving"))
	leaving := h.Receiver
	answers := make(chan struct{})
	h.Tenant = "leaving"
	gone := h.Subscribe("leaving", func(*post) reply { return reply{Hold: answers} })
	left := h.Endpoints[0]
	h.Key = h.CreateKey(time.Time{})
	running := h.Spawn("homing", "serve")
	h.Producer(running).SendAs(batched, orders("left", 900)...)
	leaving.Wait(gone, inFlight)
	require.NoError(t, h.Store.DeleteTenant(t.Context(), "leaving"))
	wait(t, patience, "nothing more is sent", func() bool {
		return h.Count("SELECT count(*) FROM endpoints WHERE id = $1 AND status = 'deleted'", left.ID.String()) == 1
	})
	close(answers)
	_, err := h.SQL.Exec(t.Context(), "UPDATE tenants SET deleted_at = deleted_at - $1::interval WHERE id = 'leaving'",
		store.EraseAfter)
	require.NoError(t, err)
	_, err = h.SQL.Exec(t.Context(), "UPDATE jobs SET wake_at = now()")
	require.NoError(t, err)
	running.Kill()
	running = h.Spawn("homing", "serve")
	wait(t, patience, "the tenant is gone", func() bool {
		return h.Count("SELECT count(*) FROM tenants WHERE id = 'leaving'") == 0
	})
	for _, table := range []string{"events", "deliveries", "attempts", "endpoints", "jobs", "event_keys"} {
		require.Zero(t, h.Count("SELECT count(*) FROM "+table), table)
	}

	h.Tenant, h.Endpoints = "acme", nil
	h.Key = h.CreateKey(time.Time{})
	stays := h.Subscribe("staying", nil)
	h.Producer(running).Send(orders("stays", 5)...)
	h.Receiver.Wait(stays, 5)
	wait(t, patience, "each has succeeded", func() bool { return len(h.list(stays, webhook.StateSucceeded)) == 5 })
}
