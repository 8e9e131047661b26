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
	"time"
)

// options are the flags; hack/verify-security.sh says what they mean.
type options struct {
	root, golangci, vulndb string
	date                   time.Time
	only, imageReports     []string
	write, history         bool
	withoutDatabase        bool

	// notes are what a scanner has to say for the report, by its name.
	notes map[string]string
}

// scanner is one kind of look.
type scanner struct {
	name, tool string
	scan       func(context.Context, options) ([]Finding, error)
}

// kinds are in the order of the report.
var kinds = []scanner{
	{"code", "gosec (golangci-lint)", code},
	{"dependencies", "govulncheck", dependencies},
	{"licences", "licensecheck", licences},
	{"secrets", "gitleaks", secrets},
	{"manifests", "Trivy", manifests},
	{"terraform", "Trivy", terraform},
	{"images", "Trivy, in the workflow", images},
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "security:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = gate(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{notes: map[string]string{}}
	flags := flag.NewFlagSet("security", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", ".", "the checkout to judge")
	flags.StringVar(&o.golangci, "golangci", "golangci-lint", "the program golangci-lint")
	flags.StringVar(&o.vulndb, "vulndb", "latest", "the version of "+vulndb)
	flags.BoolVar(&o.write, "write", false, "write docs/security/report.md")
	flags.BoolVar(&o.history, "history", false, "look for secrets in every commit too")
	flags.BoolVar(&o.withoutDatabase, "allow-unreachable-database", false, "pass though dependencies could not be looked at")
	only := flags.String("only", "", "names of scanners, with commas; no report then")
	date := flags.String("date", time.Now().UTC().Format(time.DateOnly), "the day of this run")
	flags.Func("image-report", "a report of `trivy image --format json`; may be repeated", func(file string) error {
		o.imageReports = append(o.imageReports, file)
		return nil
	})
	err := flags.Parse(args)
	if err != nil {
		return o, err
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(kinds, func(s scanner) bool { return s.name == name }) {
			return o, fmt.Errorf("there is no scanner %q", name)
		}
	}
	o.date, err = time.Parse(time.DateOnly, *date)
	return o, err
}

// gate looks, holds what it found to the waivers, and compares or writes the report. Errors: all that closes it.
func gate(ctx context.Context, o options) error {
	waivers, err := readWaivers(filepath.Join(o.root, "hack", "security", "waivers.yaml"))
	if err != nil {
		return err
	}
	var looks []look
	var problems []error
	for _, s := range kinds {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		l, err := o.look(ctx, s, waivers)
		problems = append(problems, err)
		looks = append(looks, l)
	}
	if len(o.only) == 0 {
		problems = append(problems, joined(nil, faults(waivers, o.date)))
		if err := errors.Join(problems...); err == nil || o.write {
			problems = append(problems, o.report(looks))
		}
	}
	return errors.Join(problems...)
}

// joined is an error of all that is wrong.
func joined(err error, faults []string) error {
	for _, fault := range faults {
		err = errors.Join(err, errors.New("security: "+fault))
	}
	return err
}

// look is what one scanner found.
type look struct {
	scanner

	note   string
	found  []judged
	others int // findings that close nothing
}

// judged is a finding that is critical or high, with its waiver if it has one.
type judged struct {
	Finding

	waiver *Waiver
}

// look runs a scanner and judges. Errors: it could not run, or found what is not waived.
func (o options) look(ctx context.Context, s scanner, waivers []*Waiver) (look, error) {
	start := time.Now()
	found, err := s.scan(ctx, o)
	l := look{scanner: s, note: o.notes[s.name]}
	if err != nil {
		l.note = "not run"
		if errors.Is(err, errNoDatabase) && o.withoutDatabase {
			l.note = errNoDatabase.Error()
			fmt.Printf("security: %-12s %s\n", s.name, l.note)
			return l, nil
		}
		return l, fmt.Errorf("security: %s: %w", s.name, err)
	}
	var open []error
	for _, f := range tidy(found) {
		if !f.closes() {
			l.others++
			continue
		}
		j := judged{f, waive(waivers, f, o.date)}
		if j.waiver == nil {
			open = append(open, fmt.Errorf("security: %s: %s %s at %s: %s", s.name, f.Severity, f.ID, f.Where, f.What))
		}
		l.found = append(l.found, j)
	}
	fmt.Printf("security: %-12s %d open, %d waived, %d below high (%s)\n", s.name, len(open), len(l.found)-len(open),
		l.others, time.Since(start).Round(time.Second))
	return l, errors.Join(open...)
}
