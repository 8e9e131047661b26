// Package webhook holds the words of Homing: tenants, endpoints, events, deliveries and attempts, the states of a
// delivery, and the moves between them.
//
// It owns the meaning of those words and nothing else. It promises to be pure: every function is a function of its
// arguments, and every decision about time takes now as one of them. It never does I/O, never logs, never reads a
// clock, and imports the standard library only, so that every other package may import it.
//
// # The states of a delivery
//
//	             claim                     record: 2xx
//	scheduled ──────────► attempting ─────────────────► succeeded
//	    ▲                     │  │
//	    │  record: try again  │  │ record: schedule used up
//	    ├─────────────────────┘  ├─────────────────────► exhausted
//	    │  reconcile: lease over │                          ▲
//	    └────────────────────────┘      reconcile: expired  │
//	scheduled ──────────────────────────────────────────────┘
//	scheduled, attempting ──────► cancelled (by hand, or because the endpoint was deleted)
//
// succeeded, exhausted and cancelled are terminal: nothing leaves them. A replay is a new delivery.
package webhook
