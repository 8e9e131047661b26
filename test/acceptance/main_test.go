// Package acceptance_test holds a whole Homing to its promises (docs/guarantees.md), each told as a timeline: what a
// producer sends, what is taken away from Homing meanwhile, and what a receiver must have got in the end.
//
// It owns four things that the timelines are told with: an installation (homing_test.go: settings, tenant, endpoints,
// and processes, in this process or as the built binaries), a producer that sends again what was not accepted
// (producer_test.go), a receiver that checks every signature with the reference library of Standard Webhooks
// (receiver_test.go), and an accountant that compares what was accepted with what was received, and looks into the
// database for anything that must never be there (account_test.go).
//
// It promises that a test that passes has counted: no accepted event was lost, and no POST was made twice but those
// that the records of attempts explain. It never sleeps: it waits for what must happen, as long as that may take.
package acceptance_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// binaries is where the programs under test are, built once.
var binaries string

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
	binaries = dir
	if err := build(dir); err != nil {
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

// build builds the programs: the command line and each function.
func build(dir string) error {
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", dir+string(filepath.Separator),
		"./cmd/homing", "./functions/ingest", "./functions/deliver", "./functions/retry")
	command.Dir = filepath.Join("..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs under test: %w\n%s", err, out)
	}
	return nil
}
