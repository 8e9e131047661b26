package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// marker stands between what changes with every run, and what a check compares.
const marker = "\n## Findings\n"

// report writes docs/security/report.md, or compares what is below the marker with what is there.
func (o options) report(looks []look) error {
	file := filepath.Join(o.root, "docs", "security", "report.md")
	text := o.render(looks)
	if o.write {
		return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // a document
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, want, _ := strings.Cut(text, marker)
	if _, have, _ := strings.Cut(string(old), marker); have != want {
		return fmt.Errorf("security: docs/security/report.md is not of these findings; write it anew with -write")
	}
	return nil
}

func (o options) render(looks []look) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by hack/verify-security.sh -write; do not edit. -->

# Report of the security gate

Of %s. The gate is closed by every critical or high finding that is not waived; how to read it, and what it does
not see, is in [assessment.md](assessment.md).

| looked at | with | waived | below high | |
|---|---|---|---|---|
`, o.date.Format("2 January 2006"))
	for _, l := range looks {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %s |\n", l.name, l.tool, len(l.found), l.others, l.note)
	}
	b.WriteString(marker)
	b.WriteString("\nWaived, until the day named; every other finding that is critical or high has been mended.\n\n" +
		"| severity | finding | where | why it stays | owner | until |\n|---|---|---|---|---|---|\n")
	for _, l := range looks {
		for _, j := range l.found {
			why, owner, until := "**open**", "", ""
			if j.waiver != nil {
				why, owner, until = j.waiver.Why, j.waiver.Owner, j.waiver.Expires
			}
			fmt.Fprintf(&b, "| %s | %s: %s | `%s` | %s | %s | %s |\n", j.Severity, j.ID, cell(j.What), j.Where, cell(why), owner, until)
		}
	}
	return b.String()
}

// cell keeps a text within its cell.
func cell(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "|", `\|`)), " ")
}
