package acceptance_test

import (
	"testing"

	"github.com/homing-hooks/homing/test/homingtest"
)

// What the timelines are told with, by short names.
type (
	balance    = homingtest.Balance
	cloudEvent = homingtest.CloudEvent
	endpoint   = homingtest.Endpoint
	post       = homingtest.Post
	process    = homingtest.Process
	producer   = homingtest.Producer
	receipt    = homingtest.Receipt
	reply      = homingtest.Reply
)

const (
	postgresAlone, withRedis, allServices = homingtest.PostgresAlone, homingtest.WithRedis, homingtest.AllServices
	binary, structured, batched           = homingtest.Binary, homingtest.Structured, homingtest.Batched

	source        = homingtest.Source
	encryptionKey = homingtest.EncryptionKey
	nobody        = homingtest.Nobody
	patience      = homingtest.Patience
)

var (
	client     = homingtest.Client
	failing    = homingtest.Failing
	migrate    = homingtest.Migrate
	orders     = homingtest.Orders
	ownAddress = homingtest.OwnAddress
	queueOf    = homingtest.QueueOf
	roundTrip  = homingtest.RoundTrip
	successes  = homingtest.Successes
	wait       = homingtest.Wait
)

// installation is a Homing with what only these timelines do to it.
type installation struct{ *homingtest.Installation }

// install makes an installation with a database of its own on the shared server.
func install(t testing.TB, s homingtest.Services, settings ...string) *installation {
	t.Helper()
	return &installation{homingtest.Install(t, s, settings...)}
}

// installOn is install on a database that is there and migrated.
func installOn(t testing.TB, database string, s homingtest.Services, settings ...string) *installation {
	t.Helper()
	return &installation{homingtest.InstallOn(t, database, s, settings...)}
}
