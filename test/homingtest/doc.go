// Package homingtest tells timelines about a whole Homing: what a producer sends, what is taken away from Homing
// meanwhile, and what a receiver must have got in the end. Only _test.go files import it.
//
// It owns four things that the timelines are told with: an installation (installation.go: settings, tenant, endpoints,
// and processes, in this process or as the built binaries), a producer that sends again what was not accepted
// (producer.go), a receiver that checks every signature with the reference library of Standard Webhooks (receiver.go),
// and an accountant that compares what was accepted with what was received, and looks into the database for anything
// that must never be there (account.go). Storms, with thousands of events under way, are in storm.go.
//
// It promises that a test that passes has counted: no accepted event was lost, and no POST was made twice but those
// that the records of attempts explain. It never sleeps: it waits for what must happen, as long as that may take. How
// events get from one function to the next is not its business: test/acceptance has them go through memory and over
// RabbitMQ, test/knative through the data plane of Knative's broker.
package homingtest
