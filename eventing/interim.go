// Package eventing is being written; this file keeps the rest compiling meanwhile.
package eventing

// Trigger is interim.
type Trigger struct {
	Name, Broker, Subscriber string
	Filter                   map[string]string
	Parallelism              int
}

// Triggers is interim.
func Triggers() ([]Trigger, error) {
	return []Trigger{
		{Name: "ingest-events", Broker: "events", Subscriber: "ingest", Parallelism: 100},
		{Name: "deliver-due-0", Broker: "deliveries", Subscriber: "deliver", Parallelism: 100,
			Filter: map[string]string{"type": "io.homing.deliveries.due", "partition": "0"}},
		{Name: "deliver-overdue", Broker: "deliveries", Subscriber: "deliver", Parallelism: 20,
			Filter: map[string]string{"type": "io.homing.deliveries.overdue"}},
		{Name: "retry-rescheduled", Broker: "deliveries", Subscriber: "retry", Parallelism: 20,
			Filter: map[string]string{"type": "io.homing.deliveries.rescheduled"}},
	}, nil
}
