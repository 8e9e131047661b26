package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// JobKind says what a job does.
type JobKind string

// The kinds of job.
const (
	// JobReplay sends again what was sent before, or sends for the first time what an endpoint has missed.
	JobReplay JobKind = "replay"
	// JobDropHeld cancels what is held for a paused or disabled endpoint, and then makes the endpoint active.
	JobDropHeld JobKind = "drop_held"
	// JobEraseTenant removes everything of a tenant that is being deleted, and then the tenant.
	JobEraseTenant JobKind = "erase_tenant"
)

// JobKinds lists every kind, for metrics and for tests.
var JobKinds = []JobKind{JobReplay, JobDropHeld, JobEraseTenant}

// JobState says where a job stands.
type JobState string

// The states of a job. A running one is worked on by whoever calls RunJob; a failed one went wrong [JobTries] times in
// a row, and can be resumed where it stopped.
const (
	JobRunning   JobState = "running"
	JobPaused    JobState = "paused"
	JobDone      JobState = "done"
	JobCancelled JobState = "cancelled"
	JobFailed    JobState = "failed"
)

// JobStates lists every state, for metrics and for tests.
var JobStates = []JobState{JobRunning, JobPaused, JobDone, JobCancelled, JobFailed}

const (
	// JobChunk bounds the rows that a job changes in one transaction.
	JobChunk = 500
	// JobWalk bounds the rows that it looks at for them.
	JobWalk = 10_000
	// MaxJobs is how many replays and drops a tenant may have running and paused together.
	MaxJobs = 5
	// JobTries is how often in a row a chunk may go wrong, for another reason than that the store cannot do it just now.
	JobTries = 6
	// JobKept is how long jobs that have ended are kept.
	JobKept = 30 * 24 * time.Hour
	// EraseAfter is how long after the deletion of a tenant the rows are removed that others may still be writing: longer
	// than any statement takes that began before.
	EraseAfter = 45 * time.Second
)

// JobSpec says what exactly a job does. Endpoint is needed for all kinds but JobEraseTenant and the replay of an event;
// the rest is for replays.
type JobSpec struct {
	Endpoint webhook.ID `json:"endpoint,omitzero"` // zero, with Event: those of all endpoints
	Event    webhook.ID `json:"event,omitzero"`    // only this event's deliveries
	// From and To bound when the events were accepted, From on and before To. The zero From is the oldest; To is when the
	// job begins, if it is zero or later.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// States are those of the deliveries to replay; terminal ones only.
	States []webhook.State `json:"states,omitempty"`
	// Missing asks for the events without a delivery to the endpoint that match its subscription by now, instead.
	Missing bool `json:"missing,omitempty"`
	// Types and Filter select events as those of an endpoint do.
	Types  []string `json:"types,omitempty"`
	Filter string   `json:"filter,omitempty"`
}

// Job is bulk work under way, or that was: chunk after chunk, each in a transaction of its own together with the
// progress, so that it goes on where it was whoever dies, and does nothing twice.
type Job struct {
	ID     webhook.ID
	Tenant string
	Kind   JobKind
	Spec   JobSpec
	State  JobState
	// Stage and Cursor are how far it is: of an erasure the tables that are done, and the last id looked at.
	Stage  int
	Cursor webhook.ID
	// Done is how many rows were changed: replays made, deliveries dropped, rows erased.
	Done int
	// Total is how many there were to be when it began, -1 when nobody counted; at least so many unless TotalExact.
	Total      int
	TotalExact bool
	// PerSecond bounds the rows changed in a second; 0 means no bound.
	PerSecond int
	// IfVersion is the version that the endpoint of a new job must be at, 0 for any. It is not kept.
	IfVersion int64
	// Error says why it failed, or was cancelled by itself; for people.
	Error     string
	CreatedBy webhook.ID // the API key; zero when it was none
	// WakeAt is when the next chunk is due; zero when none is. FinishedAt is zero while it may go on.
	WakeAt, CreatedAt, UpdatedAt, FinishedAt time.Time
}

// Over reports whether a job has ended for good.
func (s JobState) Over() bool { return s == JobDone || s == JobCancelled }

// JobQuery selects jobs of a tenant.
type JobQuery struct {
	Tenant string
	Kind   JobKind    // "": any
	State  JobState   // "": any
	Before webhook.ID // only older ones, for the next page; zero: from the newest
	Limit  int        // 1 to 1000; ErrInvalid otherwise
}

// ReplayPreview is what a replay would do.
type ReplayPreview struct {
	// Matched is how many deliveries would be made; at least so many unless Exact: counting is bounded.
	Matched int
	Exact   bool
	// First are the first few.
	First []ReplayMatch
}

// ReplayMatch is one delivery that a replay would make.
type ReplayMatch struct {
	Event, Endpoint webhook.ID
	Delivery        webhook.ID // the one replayed; zero for an event that is missing
	Type            string
}

// PreviewFirst is how many matches a preview names.
const PreviewFirst = 10

// Jobs is how people start bulk work and follow it. What changes something writes the note of its context (see [Note]).
type Jobs interface {
	// StartJob begins a job of a tenant: a replay, or a drop of what is held (Directory.DeleteTenant begins the erasure).
	// ID, Tenant, Kind, Spec, Total, TotalExact and PerSecond are the caller's, CreatedBy is that of the note, the rest
	// the store's; it returns the job as stored. When what is held for the endpoint is being dropped already, that job is
	// returned and no note is written. Events whose payload is erased are passed over by replays of a range. Errors:
	// ErrNotFound for an unknown tenant, endpoint or event, also a tenant that is being deleted; ErrErased for an event
	// whose payload is; ErrConflict when the endpoint is deleted or not at IfVersion, when it is active and so holds
	// nothing, or when the tenant has MaxJobs already; ErrInvalid for another kind or a spec that cannot be.
	StartJob(ctx context.Context, j Job) (Job, error)
	// PreviewReplay says what a replay would do, were it to begin now: what it counts, the job makes. Errors: as StartJob.
	PreviewReplay(ctx context.Context, tenant string, spec JobSpec) (ReplayPreview, error)
	// Job returns one. Errors: ErrNotFound.
	Job(ctx context.Context, tenant string, id webhook.ID) (Job, error)
	// JobPage lists a tenant's jobs, newest first. Errors: ErrInvalid when the limit is not 1 to 1000.
	JobPage(ctx context.Context, q JobQuery) ([]Job, error)
	// SetJobState pauses a job that runs, has one run again that is paused or has failed, or cancels one that has not
	// ended. What it has done stays done. The same state again changes nothing. Errors: ErrNotFound; ErrConflict when it
	// has ended, and for an erasure, which only goes on; ErrInvalid for another state.
	SetJobState(ctx context.Context, tenant string, id webhook.ID, s JobState) (Job, error)
}

// JobRunner is what retry needs to work on jobs.
type JobRunner interface {
	// RunJob does one chunk of the job that has been due for the longest time, of any tenant, at most JobChunk rows, in
	// one commit with the job's progress and the time of its next chunk: the rows divided by PerSecond later. Concurrent
	// calls take different jobs. What the chunk made is to be hinted at after the commit; the reconciler finds it anyway.
	//
	// A chunk that fails changes nothing and is put off, longer each time; after JobTries the job has failed, and comes
	// with the error of its last chunk. An error is about that one chunk, unless it is ErrUnavailable.
	RunJob(ctx context.Context, ids *webhook.IDSource) (JobRun, error)
}

// JobRun is what one call did.
type JobRun struct {
	// Job is as it stands after the chunk; zero when none was due.
	Job Job
	// Changed is how many rows the chunk changed.
	Changed int
	// Due are the deliveries that it made, Endpoints those that it opened.
	Due       []Due
	Endpoints []webhook.ID
	// Next is when the next chunk of any job is due, on the store's clock; zero when there is none.
	Next time.Time
}

// Chunk is how many rows the next chunk of a job may change: no more than a second's worth, so that a bounded rate is
// even.
func (j *Job) Chunk() int {
	if j.PerSecond == 0 {
		return JobChunk
	}
	return min(JobChunk, j.PerSecond)
}

// Pause is how long a job waits after a chunk that changed so many rows.
func (j *Job) Pause(changed int) time.Duration {
	if j.PerSecond == 0 {
		return 0
	}
	return time.Duration(changed) * time.Second / time.Duration(j.PerSecond)
}

// Settle returns the spec of a job that begins at now, with what was left out filled in. Errors: ErrInvalid for one
// that cannot be.
func (s *JobSpec) Settle(kind JobKind, now time.Time) (JobSpec, error) {
	switch {
	case kind == JobDropHeld && !s.Endpoint.IsZero():
		return JobSpec{Endpoint: s.Endpoint}, nil
	case kind != JobReplay:
		return *s, fmt.Errorf("%w: a job of kind %q cannot be started like this", ErrInvalid, kind)
	}
	if err := s.check(); err != nil {
		return *s, err
	}
	out := *s
	if !out.Event.IsZero() {
		out.From, out.To = out.Event.Time(), out.Event.Time().Add(time.Millisecond)
	}
	if last := now.Add(time.Millisecond); out.To.IsZero() || out.To.After(last) {
		out.To = last // ids are of a millisecond, and so the present one is in it
	}
	out.From, out.To = out.From.UTC(), out.To.UTC()
	if len(out.States) == 0 && !out.Missing {
		out.States = []webhook.State{webhook.StateExhausted, webhook.StateCancelled}
	}
	return out, nil
}

// check refuses what no replay can be.
func (s *JobSpec) check() error {
	if s.Endpoint.IsZero() && s.Event.IsZero() || s.Missing && (s.Endpoint.IsZero() || !s.Event.IsZero()) {
		return fmt.Errorf("%w: a replay names an endpoint, or an event whose deliveries are replayed", ErrInvalid)
	}
	if err := filter.Validate(s.Types, s.Filter); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	for _, state := range s.States {
		if !state.Terminal() {
			return fmt.Errorf("%w: deliveries that are %q cannot be replayed", ErrInvalid, state)
		}
	}
	return nil
}

// First is the id after which a replay begins to look; zero for the oldest.
func (s *JobSpec) First() webhook.ID {
	if s.From.IsZero() {
		return webhook.ID{}
	}
	return webhook.FirstID(s.From)
}

// Match returns what tells the events that a replay is for: those that its types and filter select and, when it is for
// what an endpoint has missed, that the endpoint subscribes to as well. Errors: ErrInvalid for a filter that cannot be
// read any more.
func (s *JobSpec) Match(e *webhook.Endpoint) (func(*webhook.Event) bool, error) {
	subscriptions := []webhook.Endpoint{{Types: s.Types, Filter: s.Filter}}
	if s.Missing {
		subscriptions = append(subscriptions, webhook.Endpoint{Types: e.Types, Filter: e.Filter})
	}
	matcher, errs := filter.Compile(subscriptions)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return func(event *webhook.Event) bool {
		matched, _ := matcher.Match(nil, event)
		return len(matched) == len(subscriptions)
	}, nil
}
