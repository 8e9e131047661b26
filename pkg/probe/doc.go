// Package probe watches a Homing from outside, as its users do: it sends events, receives them as webhooks, and says in
// metrics whether and how fast that went.
//
// There are four probes. Each round makes all of them:
//
//	direct    an event to ingest's public face; its webhook must arrive
//	brokered  an event to the broker; its webhook must arrive (off where there is no broker)
//	retry     an event whose first webhook is answered 503; a second one must arrive, with the same webhook-id
//	manage    the management API lists the endpoints of the probes, and shows the direct event as delivered
//
// It owns a tenant with two endpoints, and makes what is missing of them in every round: the endpoint of direct and
// brokered events, and the one that answers 503 first, which is one of its own so that its failures slow nothing else.
// It keeps nothing: their secrets come from the API.
//
// It promises that a success means a webhook with a signature that verifies and with the very bytes that were sent, in
// time; that what strangers POST to it changes no result; and that a webhook of an earlier round, or of an earlier
// process, is answered 200, so that nothing piles up. It never asks for more than [Config.Timeout] at a time, and never
// judges over several rounds: the alerts do.
package probe
