package store

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Tenant is who owns endpoints and events.
type Tenant struct {
	ID string
	// Name is for people.
	Name string
	// Version grows by one with each change of the tenant itself.
	Version   int64
	CreatedAt time.Time
	// DeletedAt is since when it is being deleted; zero when it is not.
	DeletedAt time.Time
	// SchemaPolicy is that of event types that have none of their own; "" is webhook.SchemaOff.
	SchemaPolicy webhook.SchemaPolicy
}

// MaxEventTypes is how many event types a tenant may have.
const MaxEventTypes = 1000

// EventType is an entry of a tenant's catalogue of event types. Types need no entry to be sent.
type EventType struct {
	Tenant string
	// Name is the CloudEvents type; it never changes.
	Name string
	// Description is for people.
	Description string
	// Schema is a JSON Schema (2020-12) of the data, Example data of that kind; both are JSON, and nil when there is none.
	Schema, Example []byte
	// Policy says what becomes of data that do not satisfy the schema; "": what the tenant's says.
	Policy webhook.SchemaPolicy
	// ArchivedAt is since when the type is out of use, which is a note for people; zero when it is in use.
	ArchivedAt time.Time
	// Version grows by one with each change.
	Version   int64
	CreatedAt time.Time
}

// EventTypeQuery selects event types of a tenant.
type EventTypeQuery struct {
	Tenant   string
	Search   string // a part of name or description, in any case; "": any
	Archived bool   // also those that are archived
	After    string // only later names, for the next page; "": from the first
	Limit    int    // 1 to 1000
}

// EndpointQuery selects endpoints of a tenant that are not deleted.
type EndpointQuery struct {
	Tenant string
	Status webhook.EndpointStatus // "": any
	Search string                 // a part of the URL, in any case; "": any
	After  webhook.ID             // only later ones, for the next page; zero: from the first
	Limit  int                    // 1 to 1000
}

// AuditQuery selects from the audit log.
type AuditQuery struct {
	// Tenant is whose things were changed; "" for what is no tenant's, unless Everyone is set, which asks for all.
	Tenant   string
	Everyone bool
	Target   string     // the id of what was changed; "": any
	Before   webhook.ID // only older ones, for the next page; zero: from the newest
	Limit    int        // 1 to 1000
}

// Directory is who and what there is: tenants, keys and endpoints. Every write moves the tenant's configuration version
// on in its own transaction, and writes the note of its context (see [Note]).
type Directory interface {
	TenantDirectory
	KeyDirectory
	EndpointDirectory
	SecretDirectory
	EventTypeDirectory
	Log
}

// EventTypeDirectory is the catalogues of event types.
type EventTypeDirectory interface {
	// CreateEventType adds a type to a tenant's catalogue. Version and CreatedAt are the store's to set. Errors:
	// ErrNotFound for an unknown tenant; ErrConflict when the name is there already; ErrInvalid for a policy that there is
	// not, and beyond MaxEventTypes.
	CreateEventType(ctx context.Context, t EventType) error
	// EventType returns one. Errors: ErrNotFound.
	EventType(ctx context.Context, tenant, name string) (EventType, error)
	// EventTypePage lists those that a query selects, by their names, byte by byte. Errors: ErrInvalid when the limit is
	// not 1 to 1000.
	EventTypePage(ctx context.Context, q EventTypeQuery) ([]EventType, error)
	// UpdateEventType sets what a type was created with, if Version is still that of the type. Errors: ErrNotFound;
	// ErrConflict when the version is another; ErrInvalid.
	UpdateEventType(ctx context.Context, t EventType) error
	// DeleteEventType removes one from the catalogue. Events of the type are not held to its schema from now on. Errors:
	// ErrNotFound.
	DeleteEventType(ctx context.Context, tenant, name string) error
}

// TenantDirectory is the tenants.
type TenantDirectory interface {
	// CreateTenant makes a tenant with nothing but an id: AddTenant does the same with a name.
	CreateTenant(ctx context.Context, id string) error
	// AddTenant makes a tenant. Version and the times are the store's to set. Errors: ErrConflict when it exists, also
	// when it is being deleted; ErrInvalid when the id is not [a-z0-9_-]{1,64}.
	AddTenant(ctx context.Context, t Tenant) error
	// Tenants lists the ids of all tenants that are not being deleted, in order.
	Tenants(ctx context.Context) ([]string, error)
	// Tenant returns one, also one that is being deleted. Errors: ErrNotFound.
	Tenant(ctx context.Context, id string) (Tenant, error)
	// TenantPage lists tenants by their ids, from the first after one ("": from the beginning), also those that are being
	// deleted. Errors: ErrInvalid when limit is not 1 to 1000.
	TenantPage(ctx context.Context, after string, limit int) ([]Tenant, error)
	// UpdateTenant sets a tenant's name and schema policy, if Version is still that of the tenant. Errors: ErrNotFound,
	// also for one that is being deleted; ErrConflict when the version is another.
	UpdateTenant(ctx context.Context, t Tenant) error
	// DeleteTenant begins to delete a tenant: from now on its keys are refused and its events are not accepted, and a job
	// (JobEraseTenant) removes everything of its but the audit log, and at last the tenant, whose id may then be used
	// again. Again changes nothing, but has a job that failed go on. Errors: ErrNotFound.
	DeleteTenant(ctx context.Context, id string) error
}

// KeyDirectory is the API keys.
type KeyDirectory interface {
	// CreateKey stores a key's hash. ConfigVersion and the times but ExpiresAt are the store's to set. Without a tenant it
	// is an operator's key; without scopes it gets webhook.TenantScopes. Errors: ErrNotFound for an unknown tenant, or one
	// that is being deleted; ErrConflict when the id or the hash exists already; ErrInvalid for an unknown scope or kind,
	// and for a portal's key without a tenant or without an end. A portal's key moves no configuration on: nobody can know
	// it yet.
	CreateKey(ctx context.Context, k APIKey) error
	// Key returns a tenant's key, an operator's for the tenant "", also when it is over. ConfigVersion is 0, and Hash is
	// left out. Errors: ErrNotFound.
	Key(ctx context.Context, tenant string, id webhook.ID) (APIKey, error)
	// KeyPage lists the keys of a tenant as Key returns them, operators' for "", oldest first, from the first after one
	// (zero: from the beginning). Errors: ErrInvalid when limit is not 1 to 1000.
	KeyPage(ctx context.Context, tenant string, after webhook.ID, limit int) ([]APIKey, error)
	// RevokeKey ends a tenant's key, an operator's for the tenant "": an event that carries it and is accepted afterwards
	// is Stale. Again changes nothing. Errors: ErrNotFound.
	RevokeKey(ctx context.Context, tenant string, id webhook.ID) error
}

// Log is what was written in notes.
type Log interface {
	// Answered returns the answer that was given to a request of an API key within OnceKept: see [Note]. Errors:
	// ErrNotFound.
	Answered(ctx context.Context, owner webhook.ID, key string) (Once, error)
	// AuditLog lists what was changed, newest first: see [Note]. Errors: ErrInvalid when the limit is not 1 to 1000.
	AuditLog(ctx context.Context, q AuditQuery) ([]AuditEntry, error)
}

// EndpointDirectory is the endpoints.
type EndpointDirectory interface {
	// CreateEndpoint stores an endpoint with its secrets. Status, Version and CreatedAt are the store's to set, also the
	// secrets' CreatedAt and Endpoint. Errors: ErrNotFound for an unknown tenant, ErrConflict when the id exists already
	// (also as another tenant's), ErrInvalid.
	CreateEndpoint(ctx context.Context, e webhook.Endpoint, secrets []webhook.Secret) error
	// Endpoint returns one, also a deleted one, with that status. Errors: ErrNotFound.
	Endpoint(ctx context.Context, tenant string, id webhook.ID) (webhook.Endpoint, error)
	// Endpoints lists those of a tenant that are not deleted, oldest first.
	Endpoints(ctx context.Context, tenant string) ([]webhook.Endpoint, error)
	// EndpointPage lists those that a query selects, by their ids. Errors: ErrInvalid when the limit is not 1 to 1000.
	EndpointPage(ctx context.Context, q EndpointQuery) ([]webhook.Endpoint, error)
	// UpdateEndpoint sets what an endpoint was created with, if Version is still that of the endpoint. Headers that are
	// nil stay as they are. Errors: ErrNotFound, also for a deleted one; ErrConflict when the version is another;
	// ErrInvalid.
	UpdateEndpoint(ctx context.Context, e webhook.Endpoint) error
	// SetEndpointStatus is ChangeEndpointStatus for whatever version the endpoint has.
	SetEndpointStatus(ctx context.Context, tenant string, id webhook.ID, s webhook.EndpointStatus, reason string) error
	// ChangeEndpointStatus pauses, resumes (active), disables or deletes an endpoint. Setting active wakes the endpoint,
	// so that its held deliveries are found even when every hint is lost. Nothing leaves deleted. A pause goes on when set
	// again. Errors: ErrNotFound, also for a deleted one; ErrConflict when the version is another; ErrInvalid for an
	// unknown status.
	ChangeEndpointStatus(ctx context.Context, c StatusChange) error
}

// SecretDirectory is the secrets of endpoints, and the public halves of those that have one.
type SecretDirectory interface {
	// AddSecret adds a signing key and lets the others of its kind expire after overlap, or when they would have anyway if
	// that is sooner. CreatedAt is the store's to set. Errors: ErrNotFound, also for a deleted endpoint; ErrConflict when
	// the id exists already.
	AddSecret(ctx context.Context, tenant string, s webhook.Secret, overlap time.Duration) error
	// Secrets returns the secrets of an endpoint that have not expired, newest first. Errors: ErrNotFound.
	Secrets(ctx context.Context, tenant string, endpoint webhook.ID) ([]webhook.Secret, error)
	// PublicKeys returns the public keys of an endpoint's Ed25519 secrets that have not expired, newest first, whoever's
	// the endpoint is: they are no secret. Errors: ErrNotFound, also for a deleted endpoint and one without such a key.
	PublicKeys(ctx context.Context, endpoint webhook.ID) ([]ed25519.PublicKey, error)
	// TenantPublicKeys returns those of all endpoints of a tenant that are not deleted, the newest first, at most limit.
	// Errors: ErrNotFound, also for a tenant that is being deleted and one without such a key; ErrInvalid when the limit
	// is not 1 to 1000.
	TenantPublicKeys(ctx context.Context, tenant string, limit int) ([]ed25519.PublicKey, error)
}

// StatusChange moves an endpoint to a status.
type StatusChange struct {
	Tenant   string
	Endpoint webhook.ID
	Version  int64 // what it must be at when it is moved; 0: any
	Status   webhook.EndpointStatus
	Reason   string // why it is not active
}

// Browser is how people look at deliveries and act on them by hand. What changes something writes the note of its
// context (see [Note]).
type Browser interface {
	Insight
	Jobs
	Lists
	RejectedBrowser

	// RetryNow makes a scheduled delivery due at once; of a terminal one it makes a replay: a new delivery, with the event
	// copied to now (Origin names the first), due at once, with the lifetime of a new one. It returns the delivery to hint
	// at; its wake time is now, so that the next tick finds it when nobody can hint. Errors: ErrNotFound; ErrConflict
	// while an attempt is under way, or when the endpoint was deleted; ErrErased.
	RetryNow(ctx context.Context, tenant string, id webhook.ID, ids *webhook.IDSource) (Due, error)
	// CancelDelivery ends a live delivery by hand. Errors: ErrNotFound; ErrConflict when it has ended.
	CancelDelivery(ctx context.Context, tenant string, id webhook.ID) error
	// SendTest stores an event with a delivery to one active endpoint, whatever that subscribes to, due at once. It
	// returns the delivery to hint at; its wake time is now, as with RetryNow. Errors: ErrNotFound; ErrConflict when the
	// endpoint is not active; ErrInvalid.
	SendTest(ctx context.Context, t NewTest) (Due, error)
	// ErasePayload removes the payload of an event, of all copies that replays made of it and of what it was copied from,
	// and the headers and bodies that their attempts were answered with; the rest stays. What is live of them ends
	// cancelled (webhook.ReasonErased) in the same transaction: an attempt under way may still finish, and only that;
	// what it is answered is not kept. It returns
	// since when it is erased; again changes nothing. Errors: ErrNotFound.
	ErasePayload(ctx context.Context, tenant string, event webhook.ID) (time.Time, error)
}

// Lists is how people look at events and deliveries.
type Lists interface {
	// Events lists a tenant's events, newest first, without their payloads.
	Events(ctx context.Context, q EventQuery) ([]webhook.Event, error)
	// Deliveries lists a tenant's deliveries, newest first.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]webhook.Delivery, error)
	// DeliveriesByOutcome lists those of them whose attempt that was recorded last had an outcome. There is no index for
	// that: it looks through what the query selects, at most OutcomeWalk deliveries, and says where it came to.
	DeliveriesByOutcome(ctx context.Context, q DeliveryQuery, outcome webhook.Outcome) (OutcomePage, error)
	// Delivery returns one with its event (payload included) and its attempts in order. Errors: ErrNotFound.
	Delivery(ctx context.Context, tenant string, id webhook.ID) (DeliveryView, error)
}

// RejectedBrowser is how people look at what was rejected, and act on it.
type RejectedBrowser interface {
	// RejectedEvents lists a tenant's rejected events ("" for those of no known tenant), newest first.
	RejectedEvents(ctx context.Context, tenant string, limit int) ([]Rejected, error)
	// RejectedPage lists them by their ids, the newest first, only those older than one (zero: from the newest), without
	// headers and body. Errors: ErrInvalid when limit is not 1 to 1000.
	RejectedPage(ctx context.Context, tenant string, before webhook.ID, limit int) ([]Rejected, error)
	// Rejected returns one, also one that was taken again and has become an event, which the lists leave out. Errors:
	// ErrNotFound.
	Rejected(ctx context.Context, tenant string, id webhook.ID) (Rejected, error)
	// DiscardRejected removes one. Errors: ErrNotFound.
	DiscardRejected(ctx context.Context, tenant string, id webhook.ID) error
	// Redrive lets a rejected event be taken again: see [Redriver]. One that waits already is left alone. Errors:
	// ErrNotFound; ErrConflict when it is not whole, or has become an event.
	Redrive(ctx context.Context, tenant string, id webhook.ID) error
	// RedriveAll lets up to limit of a tenant's rejected events with a reason ("": any) be taken again, the oldest first,
	// and returns how many that are: those that are whole and do not wait yet. Errors: ErrInvalid when limit is not 1 to
	// 1000.
	RedriveAll(ctx context.Context, tenant, reason string, limit int) (int, error)
}

// NewTest is a test event for one endpoint.
type NewTest struct {
	// Event and Delivery have ids of the same millisecond, made at the store's present time to within a minute.
	Event              webhook.Event
	Delivery, Endpoint webhook.ID
}

// DeliveryQuery selects deliveries of a tenant.
type DeliveryQuery struct {
	Tenant   string
	Endpoint webhook.ID    // zero: any
	Event    webhook.ID    // zero: any
	State    webhook.State // "": any
	From     webhook.ID    // only from this id on; zero: to the oldest
	Before   webhook.ID    // only older ones, for the next page; zero: from the newest
	Limit    int           // 1 to 1000; ErrInvalid otherwise
}

// OutcomeWalk is how many deliveries one page of DeliveriesByOutcome looks at.
const OutcomeWalk = 2000

// OutcomePage is a page of deliveries that were looked through.
type OutcomePage struct {
	// Deliveries are those found, the newest first; there may be more of them also when there are fewer than the limit.
	Deliveries []webhook.Delivery
	// Next is the last delivery that was looked at, before which the next page begins; zero when there is no more.
	Next webhook.ID
}

// EventQuery selects events of a tenant.
type EventQuery struct {
	Tenant  string
	Type    string     // "": any
	Subject string     // "": any
	From    webhook.ID // only from this id on; zero: to the oldest
	Before  webhook.ID // only older ones, for the next page; zero: from the newest
	Limit   int        // 1 to 1000; ErrInvalid otherwise
}

// DeliveryView is a delivery with what belongs to it.
type DeliveryView struct {
	Delivery webhook.Delivery
	Event    webhook.Event
	Attempts []webhook.Attempt
	// RequestSince is since when format and headers of its endpoint are as they are; zero when they never changed since
	// that is noted.
	RequestSince time.Time
}
