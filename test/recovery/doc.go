// Package recovery tries what docs/disaster-recovery.md says, with the scripts that it names: Postgres is restored to a
// moment on another server, RabbitMQ from its exported definitions, Redis from nothing, the manifests from a clone of
// the repository; and a Homing that is started on what came back delivers everything accepted before that moment.
//
// It owns no production code. Its tests take a minute or two, so they are built with the tag faults, and run by
// hack/verify-recovery.sh. It promises that what it measures (how much was lost, how long it took) is printed; it never
// says that it is so elsewhere.
package recovery
