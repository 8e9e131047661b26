// Package wire holds the CloudEvents that Homing's functions send each other, the hints, and their encoding.
//
// It owns their types and bytes (golden files hold them, for old and new processes talk to each other during a
// rollout). It promises that a hint is bounded in ids and in size, and harmless: it says "look at these deliveries
// now", and may be forged, lost, repeated, late or stale. It never carries a payload, a secret or a URL.
package wire

import (
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// The types of CloudEvents between the functions. The triggers in eventing/ filter on them.
const (
	TypeDue         = "io.homing.deliveries.due"         // to deliver: due now
	TypeRescheduled = "io.homing.deliveries.rescheduled" // to retry: due later
	TypeOverdue     = "io.homing.deliveries.overdue"     // to deliver: found late by the reconciler
	TypeJobs        = "io.homing.jobs.due"               // to retry: there may be jobs or redrives; names nothing
	TypeTick        = "dev.knative.sources.ping"         // to retry: from the PingSource
)

// PartitionAttribute is the extension that the triggers of partitions filter on: "0" to "n-1".
const PartitionAttribute = "partition"

// MaxIDs is how many deliveries and endpoints a hint may name together.
const MaxIDs = 100

// Hint names deliveries, and endpoints that have work, all of one partition.
type Hint struct {
	Type       string     `json:"-"`
	Partition  int        `json:"-"`
	Deliveries []Due      `json:"deliveries,omitempty"`
	Endpoints  []Endpoint `json:"endpoints,omitempty"`
}

// Due names a delivery, how many attempts of it had been made, and when the next may be.
type Due struct {
	Delivery webhook.ID `json:"id"`
	Endpoint webhook.ID `json:"endpoint"`
	Attempt  int        `json:"attempt"`
	Due      time.Time  `json:"due"`
}

// Endpoint names an endpoint that has due deliveries, and when it may be sent to.
type Endpoint struct {
	Endpoint webhook.ID `json:"id"`
	Due      time.Time  `json:"due"`
}
