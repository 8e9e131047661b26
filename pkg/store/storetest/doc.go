// Package storetest holds every back end of the store to one behaviour: a conformance suite ([Run]), a randomized
// comparison of two back ends ([Replay]), a check of what must be true of any store at any time ([CheckInvariants]),
// and a benchmark ([Bench]).
//
// It owns the executable form of the contract in package store. It promises to use nothing of a back end but that
// contract and the [Harness]. It never sleeps: time is made to pass by [Harness.Pass].
//
// # Adding a back end
//
// In a _test.go file of the back end, write a function that opens an empty store and returns its Harness:
//
//	func open(tb testing.TB) storetest.Harness {
//		// make a database of its own, open the store on it, close it in tb.Cleanup
//	}
//
//	func TestStore(t *testing.T)      { storetest.Run(t, open) }
//	func BenchmarkStore(b *testing.B) { storetest.Bench(b, open) }
//
// It is called once for each test, and the tests run in parallel. Every test needs a store that nobody else writes to
// (of a database server: a database of its own), because Reconcile, Housekeep and Stats work over all tenants.
//
// # Letting time pass
//
// A back end with a clock that the test sets moves it. One whose clock is the database's own cannot; there, every
// moment that is stored is moved back instead, which comes to the same. [ShiftSQL] writes the statement for Postgres,
// whatever the tables are:
//
//	Pass: func(t testing.TB, d time.Duration) {
//		_, err := pool.Exec(context.Background(), storetest.ShiftSQL(d, "events.ce_time"))
//		require.NoError(t, err)
//	},
//
// It moves every column of type timestamptz or date in every table of the schema public, so that columns which are
// not moments of the store's clock (the time attribute of a CloudEvent) must be named to be left alone. What a process
// keeps in memory of such moments (secrets that it has opened, say) must be forgotten as well.
package storetest
