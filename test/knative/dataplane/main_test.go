package dataplane_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/homing-hooks/homing/test/homingtest"
)

// root is the checkout.
var root = filepath.Join("..", "..", "..")

// programs is where `make broker` has put the broker's programs.
var programs = filepath.Join(root, ".dev", "bin", "eventing-rabbitmq-0.48.0")

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if _, err := os.Stat(filepath.Join(programs, "dispatcher")); err != nil {
		fmt.Fprintln(os.Stderr, "the broker's programs are missing: run `make broker`")
		return 1
	}
	dir, err := os.MkdirTemp("", "homing-dataplane-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := homingtest.Build(root, dir, "./functions/ingest", "./functions/deliver", "./functions/retry"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// The controller's functions ask for the namespace that Knative is in.
	if err := os.Setenv("SYSTEM_NAMESPACE", "knative-eventing"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
