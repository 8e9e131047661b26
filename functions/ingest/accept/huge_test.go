package accept_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store/memory"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// TestHugeFanOutDelaysNoOtherEvent: its commit takes long, and the others have another one.
func TestHugeFanOutDelaysNoOtherEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 2001 {
		b.endpoint(t, "huge")
	}
	b.endpoint(t, "small")
	huge := make(chan struct{})
	began := make(chan struct{}, 1)
	first := true
	b.mu.Lock()
	b.hook = func(op string, phase memory.Phase) error {
		if op != "accept" || phase != memory.Before {
			return nil
		}
		b.mu.Lock()
		mine := first
		first = false
		b.mu.Unlock()
		if mine {
			began <- struct{}{}
			<-huge
		}
		return nil
	}
	b.mu.Unlock()
	accept := func(eventTypes ...string) (deliveries []int) {
		events := make([]webhook.Event, len(eventTypes))
		for i, kind := range eventTypes {
			events[i] = webhook.Event{Tenant: "acme", Source: "/test", CEID: ids.New(time.Now()).String(), Type: kind}
		}
		receipts, err := b.accepter.Accept(context.Background(), events, nil)
		require.NoError(t, err)
		for _, r := range receipts {
			deliveries = append(deliveries, r.Deliveries)
		}
		return deliveries
	}
	done := make(chan []int, 1)
	go func() { done <- accept("huge") }()
	<-began
	require.Equal(t, []int{1}, accept("small"))
	close(huge)
	require.Equal(t, []int{2001}, <-done)
	require.Equal(t, []int{1, 2001, 0, 2001, 1}, accept("small", "huge", "nobody", "huge", "small"),
		"each event gets its own receipt")
}
