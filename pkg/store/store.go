// Package store is the seam between Homing and the place where it keeps what it promised: events, deliveries, attempts,
// endpoints, tenants and keys. Postgres is the only truth (DESIGN, promise 2); the memory store exists for tests and
// simulation, and the conformance suite in storetest holds both to the same behaviour.
//
// It owns the contract: the types that cross the seam, and what each operation promises. It promises that every
// operation is atomic, that time is the store's own (durations go in, moments come out), and that every row read or
// written belongs to the tenant named. It never decides what to do next: that is for the steps that use it.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// What a caller can do about an error. Test with errors.Is.
var (
	// ErrNotFound: there is no such thing, or it is another tenant's.
	ErrNotFound = errors.New("not found")
	// ErrConflict: it was changed meanwhile, or it exists already. Read it again.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the store cannot be reached or cannot write just now. Try later; nothing was changed, or, when the
	// connection broke in a commit, it is not known whether it was: every operation may be repeated safely.
	ErrUnavailable = errors.New("store unavailable")
	// ErrErased: the event's payload was erased, so it cannot be sent again.
	ErrErased = errors.New("payload erased")
	// ErrInvalid: the store cannot represent the value (a NUL in a text, say). Repeating it does not help.
	ErrInvalid = errors.New("not storable")
)

// Store is everything that a back end must offer. Each user takes only the part that it needs.
type Store interface {
	Accepter
	Claimer
	Recorder
	Reconciler
	Housekeeper
	Directory
	Browser

	// Now returns the store's clock, by which due times and leases are judged.
	Now(ctx context.Context) (time.Time, error)
	// ProbeWrite succeeds only when the store can commit a write now (not read-only, not out of connections). It changes
	// nothing that anybody sees.
	ProbeWrite(ctx context.Context) error
	// Close gives back what the store holds. Nothing may be called afterwards.
	Close()
}

// Accepter is what ingest needs.
type Accepter interface {
	Redriver

	// Accept stores events with their deliveries, each event all or nothing, in one durable commit for the group (huge
	// fan-outs may commit alone). One result per event, in order. An event with the identity of one accepted within the
	// dedupe window (also one earlier in the same group) is a Duplicate and changes nothing. One whose ConfigVersion is
	// not the tenant's present one is Stale and changes nothing. One that cannot be stored is Refused with its own error
	// and does not fail the others. err is for the group as a whole (ErrUnavailable) and means that nothing was stored.
	//
	// Stale is judged before Duplicate, and an event of an unknown tenant is Stale: who asks Authenticate or Subscriptions
	// again learns the rest. Of one identity in a group, the first that can be stored is, also after one that was Stale
	// or Refused. A delivery to a paused or disabled endpoint is stored and held; one whose endpoint is deleted or not the
	// tenant's is left out.
	//
	// A delivery that is to begin has its first attempt begun in the same commit, if it is claimable as it is stored:
	// as though it were claimed at that very moment.
	Accept(ctx context.Context, events []NewEvent) (results []Accepted, err error)
	// Subscriptions returns what an event of the tenant is matched with: every endpoint that is not deleted.
	// Errors: ErrNotFound for an unknown tenant.
	Subscriptions(ctx context.Context, tenant string) (Subscriptions, error)
	// ConfigVersion returns the present version of a tenant's configuration, for those who refuse something because of an
	// earlier one. Errors: ErrNotFound for an unknown tenant.
	ConfigVersion(ctx context.Context, tenant string) (int64, error)
	// Authenticate returns the API key with the given SHA-256, and its tenant's present configuration version: creating,
	// changing or revoking a key or endpoint moves that version on, so that an answer may be kept until Accept says Stale.
	// Errors: ErrNotFound for an unknown, revoked or expired key, and for one of a tenant that is being deleted. It notes
	// that the key was used, to within a minute.
	Authenticate(ctx context.Context, hash [32]byte) (APIKey, error)
	// Reject keeps what came in but could not be accepted, with the reason, at most perDay a tenant and day (UTC, on the
	// store's clock, which sets RejectedAt); kept is false beyond that. The same ID again is kept once. Texts are cleaned
	// where the store cannot represent them (U+FFFD for a NUL or a bad byte), for that is often why it was not accepted. A
	// tenant that is not there, or is being deleted, counts as not known.
	Reject(ctx context.Context, r Rejected, perDay int) (kept bool, err error)
}

// NewEvent is an event to accept.
type NewEvent struct {
	// Event has its ID made by the caller, at the store's present time to within a minute. AcceptedAt is set by the store.
	Event webhook.Event
	Key   webhook.Key
	// ConfigVersion is that of the Subscriptions that the event was matched with.
	ConfigVersion int64
	Deliveries    []NewDelivery
}

// HugeFanOut is up to how many deliveries an event shares a commit with others. The commit of a larger one takes so
// long (some 100 ms) that they would notice.
const HugeFanOut = 2000

// NewDelivery is a delivery to store with its event. The store plans it by the policy that it was opened with.
type NewDelivery struct {
	// ID has the same millisecond as the event's ID, so that the bounds of one give the bounds of the other.
	ID       webhook.ID
	Endpoint webhook.ID
	// DueIn is the waiting time before the first attempt, Lifetime how long the delivery may live on the endpoint's
	// running clock, and Lease how long an attempt holds it: see [webhook.Policy].
	DueIn, Lifetime, Lease time.Duration
	// Begin asks for the first attempt to begin with the acceptance: whoever accepts has a slot for it.
	Begin bool
}

// AcceptStatus says what became of an event.
type AcceptStatus string

// The statuses of acceptance.
const (
	AcceptStored    AcceptStatus = "stored"
	AcceptDuplicate AcceptStatus = "duplicate"
	AcceptStale     AcceptStatus = "stale"
	AcceptRefused   AcceptStatus = "refused"
)

// Accepted is what became of one event.
type Accepted struct {
	Status AcceptStatus
	// EventID is the id by which the event is stored: the first one's for a duplicate; zero when stale or refused.
	EventID webhook.ID
	// AcceptedAt is when it was stored, on the store's clock; for a duplicate, when the first one was; zero when stale or
	// refused.
	AcceptedAt time.Time
	// Begun are the first attempts that were begun, in the order of the deliveries. They share what of the event was given
	// to Accept: its payload must not be changed while they are under way.
	Begun []Work
	// Err says why an event was refused; it wraps ErrInvalid.
	Err error
}

// Subscriptions is a tenant's configuration as far as matching needs it.
type Subscriptions struct {
	Tenant    string
	Version   int64
	Endpoints []webhook.Endpoint
	// Schemas are those that events are held to: the policy of none is off, and each is of another type.
	Schemas []EventSchema
}

// EventSchema is a schema that the data of events of a type are held to.
type EventSchema struct {
	Type   string
	Schema []byte // a JSON Schema, 2020-12
	Policy webhook.SchemaPolicy
}

// KeyKind says what an API key is for.
type KeyKind string

// The kinds of key.
const (
	KeyPlain  KeyKind = "key"    // for programs, until it is revoked
	KeyPortal KeyKind = "portal" // for a person's session: it always expires, and is forgotten some time after
)

// PortalKept is how long a portal's key is known after its end, for those who look for it in the audit log.
const PortalKept = 24 * time.Hour

// APIKey is a key as stored: only its hash is known.
type APIKey struct {
	ID            webhook.ID
	Kind          KeyKind // "": KeyPlain
	Tenant        string  // "": an operator's, which is no tenant's
	Name          string
	Hash          [32]byte
	Scopes        []webhook.Scope
	ConfigVersion int64 // 0 for an operator's
	CreatedAt     time.Time
	ExpiresAt     time.Time // zero: never
	RevokedAt     time.Time // zero: not revoked
	LastUsedAt    time.Time // zero: never, or not asked for (by Authenticate)
}

// Rejected is something that came in and could not be accepted.
type Rejected struct {
	ID      webhook.ID
	Tenant  string // "" when not known
	Reason  string // from a small closed set, for metrics
	Detail  string // for people
	Headers map[string]string
	Body    []byte
	// Whole says that Headers and Body are all that came, unchanged: only then can it be taken again.
	Whole      bool
	RejectedAt time.Time
	// RedriveAt is since when it waits to be taken again; zero when it does not.
	RedriveAt time.Time
	// Event is what it has become, when it was taken again: Headers and Body are not kept any more then.
	Event webhook.ID
}

// Claimer is what deliver needs before it sends.
type Claimer interface {
	// Claim begins attempts: each delivery wanted that is claimable (webhook.Delivery.Claimable) gets its next attempt
	// number, start and lease in one durable commit, before anything is sent. What is not claimable is passed over; so is
	// an item whose endpoint is not the delivery's. Items are claimed before pulls, which take others.
	Claim(ctx context.Context, c ClaimRequest) (Claims, error)
	// Event returns one event with its payload. Errors: ErrNotFound.
	Event(ctx context.Context, tenant string, id webhook.ID) (*webhook.Event, error)
}

// ClaimRequest names the deliveries wanted.
type ClaimRequest struct {
	Items []ClaimItem
	// Pulls ask for the oldest due deliveries of an endpoint, whichever they are.
	Pulls []Pull
	// MaxBytes bounds the payloads that come with the claims; 0 means no bound. Beyond it Work.Event has no Data and
	// Work.DataLeftOut is set: fetch it with Event.
	MaxBytes int
}

// ClaimItem names one delivery, its endpoint, and how many attempts the hint has seen.
type ClaimItem struct {
	Delivery, Endpoint webhook.ID
	Attempt            int
}

// Pull asks for up to Limit due deliveries of an endpoint, those due longest first.
type Pull struct {
	Endpoint webhook.ID
	Limit    int
}

// Claims is the result of a Claim.
type Claims struct {
	Work []Work
	// NotDue are items wanted that are scheduled as expected but not due yet.
	NotDue []NotDue
	// Drained are the endpoints pulled from that gave less than asked for: nothing more is due there now. An endpoint
	// in Closed is not in Drained.
	Drained []webhook.ID
	// Closed are endpoints of wanted items or pulls that may not be sent to now: OpenIn is 0 unless they are throttled.
	// Each is named once; one that the store does not know is not named.
	Closed []Closed
}

// Closed is an endpoint that may not be sent to now.
type Closed struct {
	Endpoint webhook.ID
	OpenIn   time.Duration
}

// NotDue is a wanted item that will be due in DueIn.
type NotDue struct {
	ClaimItem
	DueIn time.Duration
}

// Work is a claimed attempt with what is needed to send it. Deliveries of one event share Event, and those of one
// endpoint share Target: treat both as read-only.
type Work struct {
	Delivery    webhook.Delivery
	Event       *webhook.Event
	DataLeftOut bool
	Target      *Target
	// Err is set when the endpoint cannot be used as stored (its secret cannot be opened): a config_error of this delivery
	// only.
	Err error
}

// Target is an endpoint with its secrets in clear: those that have not expired, newest first.
type Target struct {
	webhook.Endpoint
	Secrets []webhook.Secret
}

// Recorder is what deliver needs after it has sent.
type Recorder interface {
	// Record writes the outcomes of attempts in one commit. Each is a compare-and-set on (delivery, attempt, attempting).
	// A result that comes too late for that corrects the record of its attempt only, except that a late success makes any
	// delivery that is not terminal succeeded. One recorded per result, in order; several of one delivery count one after
	// the other. A result of another tenant's delivery, or of an attempt that was never claimed, changes nothing.
	//
	// A delivery that is not attempting has a record of every attempt from 1 to Attempt: what ends an attempt without its
	// result (the reconciler, a cancellation, the late success of an earlier one) writes it as interrupted, which its
	// result corrects when it comes after all. Any other outcome on record stays.
	Record(ctx context.Context, results []Result) (recorded []Recorded, err error)
}

// Result is the outcome of an attempt and what was decided from it.
type Result struct {
	Attempt webhook.Attempt
	// Next is the delivery's next state: succeeded, exhausted, or scheduled to be due in RetryIn.
	Next    webhook.State
	Reason  webhook.Reason // with exhausted
	RetryIn time.Duration  // with scheduled
	// WakeIn is when the reconciler must look, with scheduled; see webhook.Policy.WakeAfter.
	WakeIn time.Duration
	// Interrupted counts the attempt as an interruption: it was claimed and never sent.
	Interrupted bool
	// ThrottleFor keeps the whole endpoint from being sent to; 0 leaves it alone. It never shortens a throttle. The
	// endpoint's wake time is then at the end of it, so that what the reconciler held meanwhile is found. It counts, as
	// DisableVersion does, only when the result comes in time.
	ThrottleFor time.Duration
	// DisableVersion, when not 0, disables the endpoint if that is still its version (the one seen at the claim), with
	// DisableReason.
	DisableVersion int64
	DisableReason  string
}

// Recorded is what became of a result.
type Recorded struct {
	// Applied is whether the result decided about the delivery; false when it came too late. It is true for a late success
	// that made the delivery succeeded.
	Applied bool
	// State is the delivery's state afterwards; "" when there is no such delivery.
	State webhook.State
	// DueAt is when it is due again, when scheduled; else zero.
	DueAt time.Time
	// Disabled is whether this result disabled the endpoint.
	Disabled bool
}

// Reconciler is what retry needs to repair what hints and timers lost.
type Reconciler interface {
	// Reconcile moves up to Limit live deliveries whose wake time has passed by webhook.Policy.Reconcile, and endpoints
	// whose wake time has passed, commits, and returns what must be said now: the caller publishes after the commit, for
	// what is lost then is found again by the next wake time. Concurrent calls take different rows.
	//
	// An endpoint has a wake time from the moment it is set active, or throttled (then at the throttle's end), for as
	// long as it has scheduled deliveries: when it passes and some are due, the endpoint is named and looked at again
	// within the policy's PushCap; when the next is due only later, its wake time is then (plus the grace). So deliveries
	// that were held, also before they were due, are found when their time comes.
	Reconcile(ctx context.Context, r ReconcileRequest) (Reconciled, error)
}

// ReconcileRequest bounds one call.
type ReconcileRequest struct {
	// Limit bounds the rows looked at.
	Limit int
	// PerEndpoint bounds the due deliveries of one endpoint that are named one by one; an endpoint with more is named as a
	// whole in Reconciled.Endpoints instead, and none of them in Due. Timers are not bounded by it: an endpoint's name
	// cannot stand for a time.
	PerEndpoint int
	// EndLeases allows attempts whose lease is over to be ended as interrupted.
	EndLeases bool
}

// Reconciled is what one call found.
type Reconciled struct {
	// Due are to be hinted again, Timers to be set; both carry the attempts made and the due time.
	Due, Timers []Due
	// Endpoints have work that is not named one by one. Each is named once.
	Endpoints []webhook.ID
	// Counts is how many deliveries were moved, by action.
	Counts map[webhook.Action]int
	// More is whether there may be more to do now.
	More bool
}

// Due names a delivery that is to be attempted at a time.
type Due struct {
	ClaimItem
	DueAt time.Time
}

// Redriver is what taking rejected events again needs.
type Redriver interface {
	// Redrives returns what waits to be taken again, whole, the longest first. It is good to take one twice: what was
	// accepted is a duplicate then.
	Redrives(ctx context.Context, limit int) ([]Rejected, error)
	// Redriven says what became of one that waited: it is an event now, and is not listed with the rejected ones any more;
	// or it was rejected anew, and stays with the new reason. One that does not wait any more is left alone.
	Redriven(ctx context.Context, r Redriven) error
}

// Redriven is what became of something rejected that was taken again.
type Redriven struct {
	Tenant string // whose it was; "" when that was not known
	ID     webhook.ID
	Event  webhook.ID // zero: it was rejected anew
	// Reason and Detail are those of the new rejection.
	Reason, Detail string
}

// Housekeeper is what retry needs to keep the store in order.
type Housekeeper interface {
	JobRunner
	// Housekeep makes partitions ahead, drops those past the retention that hold nothing live, and deletes expired dedupe
	// keys, rejected events, spent secrets and keys of portals, counts, and notices that were told and counted, in
	// batches, and notes for Agenda when all of it is done. It may be called at any time by any number of processes.
	Housekeep(ctx context.Context, r Retention) (Housekept, error)
	// Agenda says what there is to do now, so that whoever asks need not ask for each thing while there is none. What
	// comes to be just after is found by the next question. Failing is the rule of TallyRequest.
	Agenda(ctx context.Context, failing webhook.FailingRule) (Agenda, error)
	// Stats returns what the store knows of the work outstanding: cheap enough for every tick.
	Stats(ctx context.Context) (Stats, error)
}

// Agenda is what there is to do.
type Agenda struct {
	// Overdue is whether Reconcile would find something.
	Overdue bool
	// Jobs is whether a chunk of a job is due; NextJob when the next one is or was, zero when there is none.
	Jobs    bool
	NextJob time.Time
	// Redrives and Notices are whether Redrives and Untold would list something.
	Redrives, Notices bool
	// Uncounted is whether Tally would change a count, or what is known of an endpoint: something was recorded since, also
	// with a time before that, or time has passed that turns spans into hours, or that endpoints are judged by.
	Uncounted bool
	// Housekept is when Housekeep was done last, whole, by whichever process; zero when it never was.
	Housekept time.Time
}

// Retention says how long things are kept.
type Retention struct {
	Events, Attempts, Rejected time.Duration
	// Tallies is how long hours are kept, and shorter spans if it is below TallyKept.
	Tallies time.Duration
	// Ahead is how far ahead partitions are made.
	Ahead time.Duration
}

// Housekept is what one call did.
type Housekept struct {
	PartitionsMade, PartitionsDropped, PartitionsKept, KeysExpired, RejectedDropped int
}

// Stats is the work outstanding, over all tenants.
type Stats struct {
	// Live is how many deliveries are not terminal: what was accepted less what has ended. Beyond StatsCap it is a lower
	// bound.
	Live int
	// OldestDue is how long the oldest delivery that could be sent has been due; 0 when none is.
	OldestDue time.Duration
	// Endpoints counts those that are not deleted.
	Endpoints EndpointCounts
}

// EndpointCounts is how many endpoints are in each state of health; each endpoint counts once.
type EndpointCounts struct {
	// Active are those that may be sent to and do not fail, Failing those that may be sent to and fail by the rule of the
	// deployment.
	Active, Failing, Paused, Disabled int
}

// StatsCap is up to where Stats counts exactly.
const StatsCap = 100_000
