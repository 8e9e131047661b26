// Package acceptance_test holds a whole Homing to its promises (docs/guarantees.md), each told as a timeline: what a
// producer sends, what is taken away from Homing meanwhile, and what a receiver must have got in the end.
//
// The timelines are told with test/homingtest: an installation, a producer, a receiver, and an accountant that counts
// what was lost and what came twice.
package acceptance_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/test/homingtest"
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "homing-acceptance-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	err = homingtest.Build(filepath.Join("..", ".."), dir,
		"./cmd/homing", "./cmd/homing-probe", "./functions/ingest", "./functions/deliver", "./functions/retry")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The tests wait more than they work, so more of them run at once than there are processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if code == 0 {
		// A pool that is closed while its Redis is away learns so at its next look, within a second.
		redialing := goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
		if err := goleak.Find(redialing); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
