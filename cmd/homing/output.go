package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// print writes v as JSON when that was asked for, and by human otherwise.
func (a *app) print(w io.Writer, v any, human func(io.Writer) error) error {
	if a.output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return human(w)
}

// table writes rows in aligned columns.
func table(rows [][]string) func(io.Writer) error {
	return func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, row := range rows {
			fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t "))
		}
		return t.Flush()
	}
}

// clockTime is a moment as a person reads it.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// duration is a flag of a time, in the words of the settings: with d for days, and never negative.
type duration time.Duration

// String implements pflag.Value; "" is a default that help does not mention.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements pflag.Value.
func (d *duration) Type() string { return "duration" }

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	parsed, err := config.ParseDuration(text)
	*d = duration(parsed)
	return err
}

// oneID wants one argument, the id of a thing.
func oneID(thing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one %s by its id; `homing %s list` shows them", thing, thing)
		}
		return nil
	}
}

// idOf reads the id of a thing.
func idOf(thing, text string) (webhook.ID, error) {
	id, err := webhook.ParseID(text)
	if err != nil {
		return id, fmt.Errorf("%q: %w; `homing %s list` shows the ids", text, err, thing)
	}
	return id, nil
}

// must panics on an error that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
