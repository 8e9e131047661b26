//go:build e2e

package e2e_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// report is what was seen, in Markdown: a file for each section in the folder that E2E_REPORT names, replaced when the
// part has passed. A section says when it was seen, so that a part may be seen again without all the others.
type report struct {
	seen string // when, and on what
	text strings.Builder
}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(&r.text, format, args...) }

// section begins a new one.
func (r *report) section(title string) { r.printf("\n## %s\n\n", title) }

// file writes what was said since the last time, as the section that sorts by a name.
func (r *report) file(t *testing.T, name string) {
	t.Helper()
	text := r.text.String()
	r.text.Reset()
	if folder := os.Getenv("E2E_REPORT"); folder != "" && !t.Failed() {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		text += fmt.Sprintf("\n<sub>%s, load %s at the end.</sub>\n", r.seen, load())
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".md"), []byte(text), 0o644))
	}
}

// table prints one, header first.
func (r *report) table(rows ...[]string) {
	for i, row := range rows {
		r.printf("| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			r.printf("|%s\n", strings.Repeat("---|", len(row)))
		}
	}
}

// plot writes a plot beside the sections.
func (r *report) plot(t *testing.T, name, svg string) {
	t.Helper()
	if folder := os.Getenv("E2E_REPORT"); folder != "" {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(svg), 0o644))
	}
}

// quantile of durations; 0 of none.
func quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[max(int(math.Ceil(q*float64(len(sorted)))), 1)-1]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// curve is a line of a plot.
type curve struct {
	name, colour string
	points       []point
}

type point struct {
	at    time.Duration
	value float64
}

// drawn is curves over time, as SVG.
func drawn(title string, curves []curve) string {
	const width, height, left, bottom = 900.0, 300.0, 40.0, 40.0
	var longest time.Duration
	most := 1.0
	for _, c := range curves {
		for _, p := range c.points {
			longest, most = max(longest, p.at), max(most, p.value)
		}
	}
	x := func(at time.Duration) float64 { return left + (width-left-10)*at.Seconds()/max(longest.Seconds(), 1) }
	y := func(v float64) float64 { return height - bottom - (height-bottom-30)*v/most }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" font-family="sans-serif" font-size="12">`+
		"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="white"/><text x="%g" y="18">%s</text>`+"\n",
		width, height, left, title)
	for v := 0.0; v <= most; v += max(1, math.Ceil(most/6)) {
		fmt.Fprintf(&b, `<path d="M%g %g H%g" stroke="#ddd"/><text x="%g" y="%g" text-anchor="end">%g</text>`+"\n",
			left, y(v), width-10, left-6, y(v)+4, v)
	}
	for at := time.Duration(0); at <= longest; at += 20 * time.Second {
		fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%g s</text>`+"\n", x(at), height-bottom+18, at.Seconds())
	}
	for i, c := range curves {
		var path strings.Builder
		for j, p := range c.points {
			fmt.Fprintf(&path, "%s%.1f %.1f ", map[bool]string{true: "M", false: "L"}[j == 0], x(p.at), y(p.value))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), c.colour)
		fmt.Fprintf(&b, `<text x="%g" y="%g" fill="%s">%s</text>`+"\n", left+150*float64(i), height-4, c.colour, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
