package store

import (
	"context"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Directory is who and what there is: tenants, keys and endpoints. Every write moves the tenant's configuration version
// on in its own transaction.
type Directory interface {
	// CreateTenant makes a tenant. Errors: ErrConflict when it exists, ErrInvalid when the id is not [a-z0-9_-]{1,64}.
	CreateTenant(ctx context.Context, id string) error
	// Tenants lists the ids of all tenants, in order.
	Tenants(ctx context.Context) ([]string, error)
	// CreateKey stores a key's hash. ConfigVersion, CreatedAt and RevokedAt are the store's to set. Errors: ErrNotFound
	// for an unknown tenant, ErrConflict when the id or the hash exists already.
	CreateKey(ctx context.Context, k APIKey) error
	// RevokeKey ends a key: an event that carries it and is accepted afterwards is Stale. Again changes nothing. Errors:
	// ErrNotFound.
	RevokeKey(ctx context.Context, tenant string, id webhook.ID) error

	// CreateEndpoint stores an endpoint with its secrets. Status, Version and CreatedAt are the store's to set, also the
	// secrets' CreatedAt and Endpoint. Errors: ErrNotFound for an unknown tenant, ErrConflict when the id exists already
	// (also as another tenant's), ErrInvalid.
	CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error
	// Endpoint returns one, also a deleted one, with that status. Errors: ErrNotFound.
	Endpoint(ctx context.Context, tenant string, id webhook.ID) (webhook.Endpoint, error)
	// Endpoints lists those of a tenant that are not deleted, oldest first.
	Endpoints(ctx context.Context, tenant string) ([]webhook.Endpoint, error)
	// SetEndpointStatus pauses, resumes (active), disables or deletes an endpoint. Setting active wakes the endpoint, so
	// that its held deliveries are found even when every hint is lost. Nothing leaves deleted. A pause goes on when set
	// again. Errors: ErrNotFound, also for a deleted one; ErrInvalid for an unknown status.
	SetEndpointStatus(ctx context.Context, tenant string, id webhook.ID, s webhook.EndpointStatus, reason string) error
	// AddSecret adds a signing key and lets the others of its kind expire after overlap, or when they would have anyway if
	// that is sooner. CreatedAt is the store's to set. Errors: ErrNotFound, also for a deleted endpoint; ErrConflict when
	// the id exists already.
	AddSecret(ctx context.Context, tenant string, s webhook.Secret, overlap time.Duration) error
	// Secrets returns the secrets of an endpoint that have not expired, newest first. Errors: ErrNotFound.
	Secrets(ctx context.Context, tenant string, endpoint webhook.ID) ([]webhook.Secret, error)
}

// Browser is how people look at deliveries and act on them by hand.
type Browser interface {
	// Deliveries lists a tenant's deliveries, newest first.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]webhook.Delivery, error)
	// Delivery returns one with its event (payload included) and its attempts in order. Errors: ErrNotFound.
	Delivery(ctx context.Context, tenant string, id webhook.ID) (DeliveryView, error)
	// RetryNow makes a scheduled delivery due at once; of a terminal one it makes a replay: a new delivery, with the event
	// copied to now (Origin names the first), due at once, with the lifetime of a new one. It returns the delivery to hint
	// at; its wake time is now, so that the next tick finds it when nobody can hint. Errors: ErrNotFound; ErrConflict
	// while an attempt is under way, or when the endpoint was deleted.
	RetryNow(ctx context.Context, tenant string, id webhook.ID, ids *webhook.IDSource) (Due, error)
	// CancelDelivery ends a live delivery by hand. Errors: ErrNotFound; ErrConflict when it has ended.
	CancelDelivery(ctx context.Context, tenant string, id webhook.ID) error
	// RejectedEvents lists a tenant's rejected events ("" for those of no known tenant), newest first.
	RejectedEvents(ctx context.Context, tenant string, limit int) ([]Rejected, error)
}

// DeliveryQuery selects deliveries of a tenant.
type DeliveryQuery struct {
	Tenant   string
	Endpoint webhook.ID    // zero: any
	Event    webhook.ID    // zero: any
	State    webhook.State // "": any
	Before   webhook.ID    // only older ones, for the next page; zero: from the newest
	Limit    int           // 1 to 1000; ErrInvalid otherwise
}

// DeliveryView is a delivery with what belongs to it.
type DeliveryView struct {
	Delivery webhook.Delivery
	Event    webhook.Event
	Attempts []webhook.Attempt
}
