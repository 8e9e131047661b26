package acceptance_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// inFlight is how many POSTs a new process has in flight to one endpoint.
const inFlight = 16

// TestSIGTERMWhileReceiversAreSlow: what is in flight is finished and recorded, and the rest is left for the next
// process.
func TestSIGTERMWhileReceiversAreSlow(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]services{"OnPostgresAlone": postgresAlone, "OnAllServices": allServices} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := install(t, s, "HOMING_ATTEMPT_TIMEOUT=3s")
			answers := make(chan struct{})
			h.subscribe("slow", func(*post) reply { return reply{hold: answers} })
			first := h.spawn("homing", "serve")
			h.waitForQueues()
			p := h.producer(first)
			p.sendAs(batched, orders("held", 40)...)
			h.receiver.wait(nil, inFlight)

			first.terminate()
			wait(t, patience, "it takes no more requests", func() bool { return !first.listens() })
			require.True(t, first.running(), "it waits for what is in flight")
			close(answers)
			first.stop() // requires exit code 0
			require.Zero(t, h.count("SELECT count(*) FROM deliveries WHERE state = 'attempting'"), "all is recorded")

			h.spawn("homing", "serve")
			require.Equal(t, balance{Expected: 40}, h.settle(p), "each once")
			require.Zero(t, h.count("SELECT count(*) FROM attempts WHERE outcome <> 'success'"))
		})
	}
}

// TestSIGKILLWhileReceiversAreSlow: what was in flight is delivered again, and nothing else is.
func TestSIGKILLWhileReceiversAreSlow(t *testing.T) {
	t.Parallel()
	h := install(t, postgresAlone, "HOMING_ATTEMPT_TIMEOUT=3s")
	answers := make(chan struct{})
	h.subscribe("slow", func(*post) reply { return reply{hold: answers} })
	first := h.spawn("homing", "serve")
	p := h.producer(first)
	p.sendAs(batched, orders("held", 40)...)
	h.receiver.wait(nil, inFlight)

	first.kill()
	held := len(h.receiver.all(nil))
	close(answers)
	h.spawn("homing", "serve")
	b := h.settle(p)
	require.Equal(t, 40, b.Expected)
	require.Equal(t, held, b.Duplicates, "the receiver had taken what was in flight, and nobody lived to know")
	require.Equal(t, held, b.Bound, "and that is what the records say: %d interrupted attempts", b.Bound)
	require.Equal(t, b.Bound, h.count("SELECT count(*) FROM attempts WHERE outcome = 'interrupted'"))
}

// TestSIGKILLOfEachFunction kills every function in turn while a producer goes on, with the functions as processes of
// their own, and endpoints that fail at first.
func TestSIGKILLOfEachFunction(t *testing.T) {
	t.Parallel()
	h := install(t, allServices, quick)
	h.subscribe("flaky", failing(1, http.StatusBadGateway))
	h.subscribe("good", nil)
	spawn := func(function, address string) *process {
		h.set("HOMING_LISTEN=" + address)
		return h.spawn("homing", "serve", "--only", function)
	}
	const anywhere = "127.0.0.1:0"
	front := ownAddress(t)
	deliver, retry, ingest := spawn("deliver", anywhere), spawn("retry", anywhere), spawn("ingest", front)
	h.waitForQueues()
	p := h.producer(ingest)
	const each = 60
	var producing sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		producing.Go(func() { p.send(orders(name, each)...) })
	}
	h.receiver.wait(nil, 20)
	deliver.kill()
	deliver = spawn("deliver", anywhere)
	h.receiver.wait(nil, 120)
	ingest.kill()
	ingest = spawn("ingest", front)
	h.receiver.wait(nil, 220)
	retry.kill()
	spawn("retry", anywhere)
	h.receiver.wait(nil, 320)
	deliver.kill()
	spawn("deliver", anywhere)
	producing.Wait()

	b := h.settle(p)
	require.Equal(t, 2*4*each, b.Expected)
	require.True(t, ingest.running())
	t.Logf("%+v", b)
}
