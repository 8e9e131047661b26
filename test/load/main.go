package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "produce":
			return produceMain(ctx, os.Stdin, os.Stdout)
		case "receive":
			return receiveMain(ctx, os.Stdin, os.Stdout)
		}
	}
	s, err := parse(args)
	if err != nil {
		return err
	}
	return measure(ctx, s)
}

// settings are the flags.
type settings struct {
	cases    []string
	duration time.Duration
	repeat   int
	waiting  int
	stored   int
	flood    int
	lists    int
	quick    bool
	noFloors bool
	homing   string
	root     string
	environ  []string
}

// parse reads the flags.
func parse(args []string) (settings, error) {
	var s settings
	var names, set string
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&names, "case", "", "cases to run, separated by commas (default: all): "+strings.Join(caseNames(), ", "))
	f.DurationVar(&s.duration, "duration", 10*time.Second, "how long each load goes on; the open loop takes 3 times that")
	f.IntVar(&s.repeat, "repeat", 1, "how often each case is run; the table has the run of the median CPU per delivery")
	f.IntVar(&s.waiting, "waiting", 1_000_000, "deliveries that wait in the case waiting")
	f.IntVar(&s.stored, "stored", 1_000_000, "events that are stored in the case stored")
	f.IntVar(&s.flood, "flood", 1_000_000, "events of the flood in the case flood")
	f.IntVar(&s.lists, "lists", 5_000_000, "deliveries that are stored in the case lists")
	f.BoolVar(&s.quick, "quick", false, "a second or two for each case, with 10,000 rows instead of a million")
	f.BoolVar(&s.noFloors, "no-floors", false, "leave the floors out")
	f.StringVar(&s.homing, "homing", "", "the homing to measure (default: built from this checkout)")
	f.StringVar(&set, "env", "", "settings for homing, NAME=value separated by spaces")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.environ = strings.Fields(set)
	if s.quick {
		s.duration, s.waiting, s.stored, s.flood, s.lists = time.Second, 10_000, 10_000, 10_000, 10_000
	}
	s.cases = caseNames()
	if names != "" {
		s.cases = strings.Split(names, ",")
	}
	for _, name := range s.cases {
		if !slices.Contains(caseNames(), name) {
			return s, fmt.Errorf("-case %q is none of %s", name, strings.Join(caseNames(), ", "))
		}
	}
	var err error
	s.root, err = moduleRoot()
	return s, err
}

// moduleRoot finds the checkout that the program is run in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "services.sh")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run it in a checkout of homing: hack/services.sh is not found")
		}
		dir = parent
	}
}

// measure runs the cases and prints the report. A case that fails does not keep the others from running.
func measure(ctx context.Context, s settings) error {
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()
	report := newReport(b)
	report.head(os.Stdout)
	if !s.noFloors {
		floors, err := b.floors(ctx)
		if err != nil {
			return fmt.Errorf("floors: %w", err)
		}
		report.floors(os.Stdout, floors)
	}
	var failed error
	report.columns(os.Stdout)
	for _, c := range cases {
		if !slices.Contains(s.cases, c.name) {
			continue
		}
		rows, err := b.repeat(ctx, &c)
		for i := range rows {
			report.row(os.Stdout, &rows[i])
		}
		if err != nil {
			fmt.Printf("| **%s failed: %s** |\n", c.name, strings.ReplaceAll(err.Error(), "\n", "; "))
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.name, err))
		}
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
	}
	return failed
}
