package main

import (
	"cmp"
	"slices"
	"strings"
)

// Severity is how bad a finding is, as its scanner says; scanners that do not say are taken for high.
type Severity string

// Only critical and high findings close the gate.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
)

// Finding is one weakness at one place.
type Finding struct {
	// ID is the scanner's name of the rule: G402, GO-2026-1234, KSV-0014, AWS-0107, aws-access-token, GPL-3.0.
	ID string
	// Where is a path below the root, a module, or an object of a manifest, and does not change when lines move.
	Where string
	// Severity is as above.
	Severity Severity
	// What says it in a line, without the secret if it is one.
	What string
}

// closes says whether a finding closes the gate unless it is waived.
func (f Finding) closes() bool { return f.Severity == Critical || f.Severity == High }

// tidy sorts findings and leaves one of each rule and place.
func tidy(findings []Finding) []Finding {
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Where, b.Where), strings.Compare(a.What, b.What))
	})
	return slices.CompactFunc(findings, func(a, b Finding) bool { return a.ID == b.ID && a.Where == b.Where })
}

// severity reads what scanners write; unknown words are high.
func severity(word string) Severity {
	switch s := Severity(strings.ToLower(word)); s {
	case Critical, Medium, Low:
		return s
	default:
		return High
	}
}
