package simulation

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400) // simulations are many and small: collecting after each would cost as much as running them
	os.Exit(m.Run())
}
