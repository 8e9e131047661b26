// Package telemetrytest helps tests to look at what a process tells about itself: it catches log messages, spans, and
// what is sent by OTLP, and checks that no secret is in any of it.
//
// Only _test.go files import it.
package telemetrytest
