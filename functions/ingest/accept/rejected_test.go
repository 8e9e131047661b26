package accept_test

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/functions/ingest/accept"
	"github.com/homing-hooks/homing/pkg/store"
)

// onlyRejected returns the one event that was rejected for a tenant.
func (b *bundle) onlyRejected(t *testing.T, tenant string) store.Rejected {
	t.Helper()
	kept, err := b.store.RejectedEvents(t.Context(), tenant, 10)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	return kept[0]
}

// TestWhatIsTooLargeIsKeptWithoutItsBody: whose it is and which, so that its producer can be told.
func TestWhatIsTooLargeIsKeptWithoutItsBody(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 3000)
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-tenant": "acme",
		"content-type": "application/json",
	}
	t.Run("OverHTTP", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		r := request(large, "ce-tenant", "acm%65")
		r.Header.Set("Authorization", "Bearer hunter2")
		require.Equal(t, http.StatusAccepted, post(face(b, nil), r))
		kept := b.onlyRejected(t, "acme")
		require.Equal(t, "acm%65", kept.Headers["ce-tenant"], "as it came")
		kept.Headers["ce-tenant"] = "acme"
		require.Equal(t, want, kept.Headers)
		require.Empty(t, kept.Body)
	})
	t.Run("FromASubscription", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		e := event.New()
		e.SetID("1")
		e.SetSource("/s")
		e.SetType("t")
		e.SetExtension("tenant", "acme")
		require.NoError(t, e.SetData("application/json", []byte(large)))
		require.NoError(t, face(b, nil).TakeEvent(t.Context(), e))
		kept := b.onlyRejected(t, "acme")
		require.Equal(t, want, kept.Headers)
		require.Empty(t, kept.Body)
	})
	for name, tenant := range map[string]string{"OfATenantThatIsNotThere": "gone", "OfATenantOfSomebodyElse": "other"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			require.Equal(t, http.StatusAccepted, post(face(b, nil), request(large, "ce-tenant", tenant)))
			require.Equal(t, tenant, b.onlyRejected(t, "").Headers["ce-tenant"], "what it says is kept, and not believed")
		})
	}
}

// TestNoCredentialIsKept: a message that is no event may have any header.
func TestNoCredentialIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	header := map[string]string{"type": "t", "source": "/s", "tenant": "acme", "traceparent": "00-1", "content-type": "x"}
	raw := accept.Raw{Header: map[string]string{"authorization": "Bearer hunter2", "x-api-key": "hunter2"}}
	maps.Copy(raw.Header, header)
	require.NoError(t, face(b, nil).TakeUndecodable(t.Context(), raw, errors.New("no id")))
	require.Equal(t, header, b.onlyRejected(t, "").Headers)
}
