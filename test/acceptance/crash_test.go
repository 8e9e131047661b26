package acceptance_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/homingtest"
)

// inFlight is how many POSTs a new process has in flight to one endpoint.
const inFlight = 16

// TestSIGTERMWhileReceiversAreSlow: what is in flight is finished and recorded, and the rest is left for the next
// process.
func TestSIGTERMWhileReceiversAreSlow(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]homingtest.Services{"OnPostgresAlone": postgresAlone, "OnAllServices": allServices} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, s, "HOMING_ATTEMPT_TIMEOUT=5s", "HOMING_LEASE_MARGIN=10s") // also when the machine is busy
			answers := make(chan struct{})
			h.Subscribe("slow", func(*post) reply { return reply{Hold: answers} })
			first := h.Spawn("homing", "serve")
			h.WaitForQueues()
			p := h.Producer(first)
			p.SendAs(batched, orders("held", 40)...)
			h.Receiver.Wait(nil, inFlight)

			first.Terminate()
			wait(t, patience, "it takes no more requests", func() bool { return !first.Listens() })
			require.True(t, first.Running(), "it waits for what is in flight")
			close(answers)
			first.Stop() // requires exit code 0
			require.Zero(t, h.Count("SELECT count(*) FROM deliveries WHERE state = 'attempting'"), "all is recorded")

			h.Spawn("homing", "serve")
			require.Equal(t, balance{Expected: 40}, h.Settle(p), "each once")
			require.Zero(t, h.Count("SELECT count(*) FROM attempts WHERE outcome <> 'success'"))
		})
	}
}

// TestSIGKILLWhileReceiversAreSlow: what was in flight is delivered again, and nothing else is.
func TestSIGKILLWhileReceiversAreSlow(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, "HOMING_ATTEMPT_TIMEOUT=3s")
	answers := make(chan struct{})
	h.Subscribe("slow", func(*post) reply { return reply{Hold: answers} })
	first := h.Spawn("homing", "serve")
	p := h.Producer(first)
	p.SendAs(batched, orders("held", 40)...)
	h.Receiver.Wait(nil, inFlight)

	first.Kill()
	held := len(h.Receiver.All(nil))
	close(answers)
	h.Spawn("homing", "serve")
	b := h.Settle(p)
	require.Equal(t, 40, b.Expected)
	require.Equal(t, held, b.Duplicates, "the receiver had taken what was in flight, and nobody lived to know")
	require.Equal(t, held, b.Bound, "and that is what the records say: %d interrupted attempts", b.Bound)
	require.Equal(t, b.Bound, h.Count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted'"))
}

// TestSIGKILLOfEachFunction kills every function in turn while a producer goes on, with the functions as processes of
// their own, and endpoints that fail at first.
func TestSIGKILLOfEachFunction(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick)
	h.Subscribe("flaky", failing(1, http.StatusBadGateway))
	h.Subscribe("good", nil)
	spawn := func(function, address string) *process {
		h.Set("HOMING_LISTEN=" + address)
		return h.Spawn("homing", "serve", "--only", function)
	}
	const anywhere = "127.0.0.1:0"
	front := ownAddress(t)
	deliver, retry, ingest := spawn("deliver", anywhere), spawn("retry", anywhere), spawn("ingest", front)
	h.WaitForQueues()
	p := h.Producer(ingest)
	const each = 60
	var producing sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		producing.Go(func() { p.Send(orders(name, each)...) })
	}
	h.Receiver.Wait(nil, 20)
	deliver.Kill()
	deliver = spawn("deliver", anywhere)
	h.Receiver.Wait(nil, 120)
	ingest.Kill()
	ingest = spawn("ingest", front)
	h.Receiver.Wait(nil, 220)
	retry.Kill()
	spawn("retry", anywhere)
	h.Receiver.Wait(nil, 320)
	deliver.Kill()
	spawn("deliver", anywhere)
	producing.Wait()

	b := h.Settle(p)
	require.Equal(t, 2*4*each, b.Expected)
	require.True(t, ingest.Running())
	t.Logf("%+v", b)
}
