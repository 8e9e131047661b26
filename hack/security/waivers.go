package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"gopkg.in/yaml.v3"
)

// maxWaiver is how long a waiver may last, counted from the run: after that somebody has to think again.
const maxWaiver = 366 * 24 * time.Hour

// Waiver lets a finding pass for a while.
type Waiver struct {
	ID    string `yaml:"id"`    // the finding's
	Where string `yaml:"where"` // the finding's, as a pattern of path.Match
	Why   string `yaml:"why"`
	Owner string `yaml:"owner"`
	// Expires is the first day on which it does not count any more: 2027-01-31.
	Expires string `yaml:"expires"`

	used bool
}

// readWaivers reads the file; one that is not there has none. Errors: unknown or empty fields, bad patterns and days.
func readWaivers(file string) ([]*Waiver, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []*Waiver
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("waivers: %w", err)
	}
	for _, w := range list {
		if w.ID == "" || w.Where == "" || w.Why == "" || w.Owner == "" {
			return nil, fmt.Errorf("waivers: %s at %q needs id, where, why and owner", w.ID, w.Where)
		}
		if _, err := path.Match(w.Where, ""); err != nil {
			return nil, fmt.Errorf("waivers: %q: %w", w.Where, err)
		}
		if _, err := time.Parse(time.DateOnly, w.Expires); err != nil {
			return nil, fmt.Errorf("waivers: %s: %w", w.ID, err)
		}
	}
	return list, nil
}

// waive returns the waiver of a finding, nil when there is none that counts on that day.
func waive(list []*Waiver, f Finding, day time.Time) *Waiver {
	for _, w := range list {
		end, _ := time.Parse(time.DateOnly, w.Expires)
		match, _ := path.Match(w.Where, f.Where)
		if w.ID == f.ID && match && day.Before(end) {
			w.used = true
			return w
		}
	}
	return nil
}

// faults says what is wrong with the waivers themselves, after all findings were held to them.
func faults(list []*Waiver, day time.Time) []string {
	var out []string
	for _, w := range list {
		end, _ := time.Parse(time.DateOnly, w.Expires)
		switch {
		case !day.Before(end):
			out = append(out, fmt.Sprintf("the waiver of %s at %s expired on %s", w.ID, w.Where, w.Expires))
		case end.Sub(day) > maxWaiver:
			out = append(out, fmt.Sprintf("the waiver of %s at %s lasts for more than a year", w.ID, w.Where))
		case !w.used:
			out = append(out, fmt.Sprintf("the waiver of %s at %s waives nothing", w.ID, w.Where))
		}
	}
	return out
}
