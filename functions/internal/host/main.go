package host

import (
	"context"
	"fmt"
	"os"
	"time"

	"knative.dev/pkg/signals"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/telemetry"
)

// Main is the main of a function: it reads the settings from the environment, runs until it is told to end, and returns
// the exit code. A second signal ends it at once.
func Main(name config.Function, functions ...Function) int {
	ctx := signals.NewContext()
	if err := run(ctx, name, functions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(ctx context.Context, name config.Function, functions []Function) error {
	cfg, err := config.Load(name, os.Environ())
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(os.Stdout, &cfg.Telemetry).With("function", string(name), "version", Version)
	h, err := New(cfg, log, time.Now, functions...)
	if err != nil {
		return err
	}
	return h.Run(ctx, func() { log.InfoContext(ctx, "started", "address", h.Addr()) })
}
