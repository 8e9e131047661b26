package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

var eraseTests = []test{
	{"ErasesATenantAndNothingElse", erasesTenant},
	{"ClosesTheEndpointsOfADeletedTenantAtOnce", closesAtOnce},
	{"ErasesWhatCameInAtTheLastMoment", erasesStragglers},
	{"CopesWithResultsOfWhatIsErased", copesWithErased},
	{"GivesTheIDOfAnErasedTenantAgain", givesIDAgain},
	{"KeepsNothingForATenantThatIsNotThere", keepsNothingForNobody},
}

// erasure returns the job that erases a tenant.
func (b *bundle) erasure(tenant string) store.Job {
	b.tb.Helper()
	list, err := b.Store.JobPage(b.ctx, store.JobQuery{Tenant: tenant, Kind: store.JobEraseTenant, Limit: 2})
	require.NoError(b.tb, err)
	require.Len(b.tb, list, 1)
	return list[0]
}

// inhabit gives the bundle's tenant something of everything.
func (b *bundle) inhabit() (e webhook.Endpoint, ended webhook.Delivery) {
	b.tb.Helper()
	e = b.endpoint()
	b.key()
	ended = b.succeed(b.to(e).ID)
	b.fail(b.to(e))
	b.to(e)
	b.reject(b.rejected(b.tenant), 10)
	n := b.note()
	n.Once.Tenant = b.tenant
	require.NoError(b.tb, b.Store.AddSecret(store.WithNote(b.ctx, n), b.tenant, b.secret(e.ID), time.Hour))
	b.start(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 1)
	_, err := b.Store.RetryNow(b.ctx, b.tenant, ended.ID, b.ids)
	require.NoError(b.tb, err)
	return e, ended
}

func erasesTenant(t *testing.T, b *bundle) {
	other := b.as(b.newTenant())
	_, kept := other.inhabit()
	_, err := b.Store.SetJobState(b.ctx, other.tenant, other.firstJob().ID, store.JobPaused)
	require.NoError(t, err)
	e, ended := b.inhabit()
	b.batch(e, 30)
	n := b.note()
	operator := store.APIKey{ID: n.Audit.Actor, Name: "the operator", Hash: [32]byte{9}}
	copy(operator.Hash[:], token())
	require.NoError(t, b.Store.CreateKey(b.ctx, operator))
	require.NoError(t, b.Store.DeleteTenant(store.WithNote(b.ctx, n), b.tenant))
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant), "again changes nothing")
	j := b.erasure(b.tenant)
	require.Equal(t, store.JobRunning, j.State)
	require.Equal(t, -1, j.Total)
	require.Equal(t, n.Audit.Actor, j.CreatedBy)
	for _, s := range []store.JobState{store.JobPaused, store.JobCancelled} {
		_, err := b.Store.SetJobState(b.ctx, b.tenant, j.ID, s)
		require.ErrorIs(t, err, store.ErrConflict, "it only goes on")
	}
	b.runJobs()
	require.NotEmpty(t, allDeliveries(t, b.Store, b.tenant), "not yet")
	b.pass(store.EraseAfter + time.Second)
	before, one := allDeliveries(t, b.Store, other.tenant), other.view(kept.ID)
	b.runJobs()

	_, err = b.Store.Tenant(b.ctx, b.tenant)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.Job(b.ctx, b.tenant, j.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.Store.DeleteTenant(b.ctx, b.tenant), store.ErrNotFound)
	require.Empty(t, allDeliveries(t, b.Store, b.tenant))
	require.Empty(t, b.allRejected(b.tenant))
	_, err = b.Store.Event(b.ctx, b.tenant, ended.Event)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Store.Endpoint(b.ctx, b.tenant, e.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Len(t, b.audit(n.Audit.Target), 1, "the audit log stays")
	lines := b.audit(b.tenant)
	require.Len(t, lines, 1, "and says that the tenant is gone")
	require.Equal(t, "tenant.erase", lines[0].Action)
	require.Equal(t, b.tenant, lines[0].Tenant)
	require.Equal(t, operator.ID, lines[0].Actor)
	require.Equal(t, operator.Name, lines[0].ActorName)
	require.Contains(t, string(lines[0].After), j.ID.String())

	require.Equal(t, one, other.view(kept.ID))
	require.Equal(t, before, allDeliveries(t, b.Store, other.tenant), "nothing of another tenant's")
	require.Len(t, b.allRejected(other.tenant), 1)
}

// firstJob is a job of the tenant.
func (b *bundle) firstJob() store.Job {
	list, err := b.Store.JobPage(b.ctx, store.JobQuery{Tenant: b.tenant, Limit: 1})
	require.NoError(b.tb, err)
	require.Len(b.tb, list, 1)
	return list[0]
}

func closesAtOnce(t *testing.T, b *bundle) {
	e := b.endpoint()
	d := b.to(e)
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	b.runJobs()
	b.refuses(d)
	require.Equal(t, webhook.EndpointDeleted, b.stored(e.ID).Status)
	_, err := b.Store.RetryNow(b.ctx, b.tenant, d.ID, b.ids)
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = b.Store.StartJob(b.ctx, b.jobOf(store.JobReplay, store.JobSpec{Endpoint: e.ID}, 0))
	require.ErrorIs(t, err, store.ErrNotFound)
}

// erasesStragglers holds the erasure back until nothing can be under way any more.
func erasesStragglers(t *testing.T, b *bundle) {
	e := b.endpoint()
	matched := b.event(e)
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	require.Equal(t, store.AcceptStale, b.accept(matched)[0].Status, "nothing more comes in")
	deleted := b.tenantOf(b.tenant).DeletedAt
	b.runJobs()
	require.False(t, b.erasure(b.tenant).WakeAt.Before(deleted.Add(store.EraseAfter)))
	require.Equal(t, 1, b.erasure(b.tenant).Stage)
}

func copesWithErased(t *testing.T, b *bundle) {
	e := b.endpoint()
	w, waiting := b.begin(b.to(e).ID), b.to(e)
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	b.pass(store.EraseAfter + time.Second)
	b.runJobs()
	require.Equal(t, store.Recorded{}, b.record(success(w)), "it is nobody's")
	require.Empty(t, b.refuses(waiting).Closed)
	require.Empty(t, b.reconcile(everything).Counts)
}

func givesIDAgain(t *testing.T, b *bundle) {
	e, key := b.endpoint(), b.key()
	n := b.event(e)
	b.store(n)
	old := b.version()
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	require.ErrorIs(t, b.Store.CreateTenant(b.ctx, b.tenant), store.ErrConflict, "not yet")
	b.pass(store.EraseAfter + time.Second)
	b.runJobs()
	require.NoError(t, b.Store.CreateTenant(b.ctx, b.tenant))
	require.Greater(t, b.version(), old, "what somebody remembers of the old one is stale")
	_, err := b.Store.Authenticate(b.ctx, key.Hash)
	require.ErrorIs(t, err, store.ErrNotFound)
	again := b.event(b.endpoint())
	again.Event.Source, again.Event.CEID, again.Key = n.Event.Source, n.Event.CEID, n.Key
	b.store(again) // and is no duplicate
}

func keepsNothingForNobody(t *testing.T, b *bundle) {
	require.NoError(t, b.Store.DeleteTenant(b.ctx, b.tenant))
	b.reject(b.rejected(b.tenant), 10)
	b.reject(b.rejected("nobody"), 10)
	require.Empty(t, b.allRejected(b.tenant))
	require.Empty(t, b.allRejected("nobody"))
	require.Len(t, b.allRejected(""), 2, "an operator sees it")
}
