// Command load measures Homing end to end on one machine: a producer, `homing serve`, Postgres, Redis, RabbitMQ and a
// receiver, each a process of its own, share it, as they would share a small server.
//
//	go run ./test/load                    every case; prints a Markdown table
//	go run ./test/load -case fast,fanout  some of them
//	go run ./test/load -quick             every case for a moment: does it still run?
//
// It owns everything that it starts: services of its own through hack/services.sh (fsync on, in a temporary
// directory), a database for each case, and children that die with it. Nothing listens but on 127.0.0.1.
//
// It promises that a number is only printed for a case that lost nothing: every event that was answered with 2xx has
// arrived as often as it had endpoints, or the case fails. The first number of a row is CPU per delivery, the user and
// system time of all the processes together, because that is what stays comparable on a machine with other work.
// Rates and times do not, so the load average stands beside them.
//
// What is measured begins after a warm-up with the same load. A rate is deliveries over the time from the first send
// to the last arrival, the backlog included. "End to end" is the receiver's time of arrival less the producer's time of
// sending, which is written into the payload; both read the clock of the machine.
//
// Producer and receiver speak HTTP/1.1 over kept connections with code of their own (a few microseconds an exchange),
// so that they do not measure net/http; the floors say what a net/http client costs. The receiver does not verify
// signatures; the tests do.
package main
