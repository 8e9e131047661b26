// Package testenv gives tests the real services that Homing runs on: Postgres, Redis and RabbitMQ.
//
// Only _test.go files import it; test/contract and a lint rule hold that.
//
// Two kinds of service:
//
//   - Shared: [Postgres], [PostgresMigrated], [Redis], [RabbitMQ]. All tests of all packages use the same servers,
//     the ones that hack/services.sh started, and each test gets a room of its own there: a database, a key prefix
//     ([RedisPrefix]), a virtual host. Rooms are cheap (tens of milliseconds) and safe under t.Parallel. A test must
//     not stop, reconfigure or flush a shared server.
//   - Own: [OwnPostgres], [OwnRedis], [OwnRabbitMQ]. A server for one test, which may stop, kill, wipe and start it
//     again at the same address. They cost seconds; they are for fault tests.
//
// The shared servers are those named by TEST_DATABASE_URL, TEST_REDIS_URL, TEST_RABBITMQ_URL and
// TEST_RABBITMQ_MANAGEMENT_URL; a variable that is not set is read from .dev/services.env of the checkout, which
// hack/services.sh writes (`make services`; `make test` does it too).
//
// Promises: a test never sees what another test wrote. What a test made is removed when it ends; what a killed run
// left behind is removed by the next run that uses the same server. A service that is missing fails the test with
// what to do about it: nothing is ever skipped. No goroutine or connection of this package outlives the call that
// made it, so goleak sees only what is the test's own.
//
// Functions here call t.Fatal and so must run on the goroutine of the test.
package testenv
