package webhook

import "time"

// State is where a delivery stands; see the picture in the package comment.
type State string

// The states of a delivery.
const (
	StateScheduled  State = "scheduled"
	StateAttempting State = "attempting"
	StateSucceeded  State = "succeeded"
	StateExhausted  State = "exhausted"
	StateCancelled  State = "cancelled"
)

// States lists every state, for metrics and for tests.
var States = []State{StateScheduled, StateAttempting, StateSucceeded, StateExhausted, StateCancelled}

// Terminal reports whether nothing leaves the state.
func (s State) Terminal() bool {
	return s == StateSucceeded || s == StateExhausted || s == StateCancelled
}

// Reason says why a delivery ended without success.
type Reason string

// The reasons of an end. A delivery that is live or succeeded has none.
const (
	ReasonNone            Reason = ""
	ReasonSchedule        Reason = "schedule"         // every attempt of the schedule was made
	ReasonGated           Reason = "gated"            // it expired before its turn came
	ReasonGone            Reason = "gone"             // the endpoint answered 410
	ReasonInterrupted     Reason = "interrupted"      // its process died again and again while it was attempted
	ReasonEndpointDeleted Reason = "endpoint_deleted" // the endpoint was deleted
	ReasonByHand          Reason = "by_hand"          // somebody cancelled it
	ReasonErased          Reason = "erased"           // the event's payload was erased
)

// Delivery is one event for one endpoint: the unit of work, of state and of retrying.
type Delivery struct {
	ID       ID
	Tenant   string
	Event    ID
	Endpoint ID
	State    State
	Reason   Reason
	// Attempt is the number of the attempt made last, 0 before the first. A number is used once.
	Attempt int
	// Interruptions counts the attempts whose outcome never came back, or that were never sent; see [Step].
	Interruptions int
	// DueAt is when the next attempt may be made.
	DueAt time.Time
	// StartedAt is when the attempt made last was claimed; zero before the first.
	StartedAt time.Time
	// LeaseUntil is how long the attempt under way holds the delivery; zero when none is.
	LeaseUntil time.Time
	// WakeAt is when the reconciler must look; zero once terminal.
	WakeAt time.Time
	// ExpiresAt is the end, on the endpoint's running clock; see [Endpoint.RunningClock].
	ExpiresAt time.Time
	// ReplayOf is the delivery that this one replays; zero for one that came from an event.
	ReplayOf ID
}

// FreeInterruptions is how many interruptions do not use up a step of the schedule: ten deployments must not exhaust
// a delivery, yet a delivery that kills the process must end.
const FreeInterruptions = 3

// Step returns how many steps of the schedule have been used up after the given number of attempts.
func Step(attempts, interruptions int) int {
	return attempts - min(interruptions, FreeInterruptions)
}

// Attempt is the record of one POST of a delivery.
type Attempt struct {
	Delivery ID
	Number   int
	Tenant   string
	Endpoint ID
	Outcome  Outcome
	// Status is the HTTP status of the answer; 0 when none came.
	Status    int
	StartedAt time.Time
	// Latency is how long the attempt took, and each of its phases; 0 for a phase that did not happen.
	Latency Latency
	// Detail says in a few words what went wrong, without anything secret; "" on success.
	Detail string
	// ResponseHeaders and ResponseBody are the beginning of the answer, bounded.
	ResponseHeaders map[string]string
	ResponseBody    []byte
}

// Latency is how long the phases of an attempt took.
type Latency struct {
	DNS, Connect, TLS, FirstByte, Total time.Duration
}
