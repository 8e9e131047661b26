package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// calledWrongly is the exit code for what is no verdict.
const calledWrongly = 2

// options is what the flags say.
type options struct {
	service, canary, stable, prometheus, analysis string
	watch, every, window                          time.Duration
	strikes                                       int
	least                                         float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code) //nolint:gocritic // stop has been called
}

// run watches, reports, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "canaryanalysis:", err)
		return calledWrongly
	}
	a, err := load(o.analysis, o.service)
	if err == nil && o.least > 0 {
		a.Samples.Least = o.least
	}
	var s *source
	if err == nil {
		s, err = newSource(o.prometheus)
	}
	if err != nil {
		fmt.Fprintln(stderr, "canaryanalysis:", err)
		return calledWrongly
	}
	last, v, rounds := watch(ctx, s, a, o, stderr)
	fmt.Fprint(stdout, report(o, a, last, v, rounds))
	return int(v)
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("canaryanalysis", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.service, "service", "", "the service, as in the file of analyses (required)")
	f.StringVar(&o.canary, "canary", "", "the new revision (required)")
	f.StringVar(&o.stable, "stable", "", "the revision that it is compared with (required)")
	f.StringVar(&o.prometheus, "prometheus", "", "the URL of Prometheus (required)")
	f.StringVar(&o.analysis, "analysis", "monitoring/canary/analysis.yaml", "the file of analyses")
	f.DurationVar(&o.watch, "for", 10*time.Minute, "how long to watch; 0 asks once")
	f.DurationVar(&o.every, "every", 15*time.Second, "how often to ask")
	f.DurationVar(&o.window, "window", 0, "how far back to look (default: as long as is watched, at least a minute)")
	f.IntVar(&o.strikes, "strikes", 4, "how many rounds running a check may fail before it is over")
	f.Float64Var(&o.least, "least", 0, "how many samples are needed, instead of what the file says")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if o.service == "" || o.canary == "" || o.stable == "" || o.prometheus == "" || f.NArg() > 0 {
		return nil, errors.New("-service, -canary, -stable and -prometheus are required, and nothing else")
	}
	if o.canary == o.stable || o.watch < 0 || o.every <= 0 || o.strikes < 1 || o.least < 0 {
		return nil, errors.New("two revisions, a time that is not negative, and -every and -strikes above 0, please")
	}
	if o.window == 0 {
		o.window = max(o.watch, time.Minute)
	}
	return o, nil
}

// watch asks in rounds until the time is over, or until a check has failed too often. When it is interrupted, nothing
// is known.
func watch(ctx context.Context, s *source, a *analysis, o *options, log io.Writer) (*round, verdict, int) {
	end := time.Now().Add(o.watch)
	failed := strikes{}
	for rounds := 1; ; rounds++ {
		r, err := s.ask(ctx, a, o)
		if err != nil {
			fmt.Fprintln(log, "canaryanalysis:", err)
		}
		if failed.add(a, r, o.strikes) {
			return r, rollBack, rounds
		}
		left := time.Until(end)
		if left <= 0 {
			return r, conclude(a, r), rounds
		}
		select {
		case <-ctx.Done():
			return r, tooThin, rounds
		case <-time.After(min(o.every, left)):
		}
	}
}
