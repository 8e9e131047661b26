package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	title, note, load string
	measured          *outcome
	rss               int64
	// cpu (ms per delivery, at most) and rate (deliveries a second, at least) are goals; 0 where there is none.
	cpu, rate float64
	checks    []string
}

func rowOf(title string, o *outcome) row {
	return row{title: title, load: o.load, measured: o, rss: o.rss}
}

// cost is CPU per delivery, or memory where nothing was delivered: what runs of a case are ordered by.
func (r *row) cost() float64 {
	if r.measured == nil {
		return float64(r.rss)
	}
	return r.measured.cpuPerDelivery()
}

func (o *outcome) rate() float64 { return float64(o.deliveries) / max(o.took.Seconds(), 1e-9) }

// cpuPerDelivery is in milliseconds.
func (o *outcome) cpuPerDelivery() float64 { return o.cpuOf(o.cpu.total()) }

func (o *outcome) cpuOf(d time.Duration) float64 { return millis(d) / max(float64(o.deliveries), 1) }

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *row) atMost(what string, value, limit float64, unit string) {
	r.check(value <= limit, "%s %s ≤ %s %s", what, number(value), number(limit), unit)
}

func (r *row) atLeast(what string, value, limit float64, unit string) {
	r.check(value >= limit, "%s %s ≥ %s %s", what, number(value), number(limit), unit)
}

func (r *row) check(ok bool, format string, args ...any) {
	mark := "yes: "
	if !ok {
		mark = "**no**: "
	}
	r.checks = append(r.checks, mark+fmt.Sprintf(format, args...))
}

// number writes three digits or so.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

// report writes Markdown.
type report struct{ b *bench }

func newReport(b *bench) *report { return &report{b: b} }

// head says where and with what it was measured.
func (r *report) head(w io.Writer) {
	var set []string
	for _, s := range postgresSettings {
		set = append(set, s[0]+"="+s[1])
	}
	fmt.Fprintf(w, "%s, commit %s. %d cores (%s), load average before: %s. %s.\n\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), r.b.commit, runtime.NumCPU(), cpuModel(), loadAverage(),
		runtime.Version())
	fmt.Fprintf(w, "Payload %d bytes, HMAC signatures, HTTP/1.1 kept alive, each load %s after a warm-up, half as long "+
		"where two take turns.\n", payloadSize, r.b.settings.duration)
	fmt.Fprintf(w, "Postgres: fsync, synchronous_commit, full_page_writes on; %s.\n", strings.Join(set, ", "))
	homing := append([]string{"Homing: defaults, log level info into a file"}, r.b.settings.environ...)
	fmt.Fprintf(w, "%s.\n\n", strings.Join(homing, " "))
}

func (r *report) floors(w io.Writer, floors []floor) {
	fmt.Fprint(w, "| floor | a second | CPU ms each |\n|---|--:|--:|\n")
	for _, f := range floors {
		fmt.Fprintf(w, "| %s | %s | %.3f |\n", f.title, number(f.rate), f.cpu)
	}
	fmt.Fprintln(w)
}

func (r *report) columns(w io.Writer) {
	fmt.Fprintf(w, "| case | CPU ms per delivery | in POSTs (ms of one then) | %s | delivered/s "+
		"| accept p50 / p99 ms | end to end p50 / p99 ms | commits, WAL bytes per event | homing RSS MB | load | must |\n",
		strings.Join(groupNames, " / "))
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
}

// postThere is what a bare POST cost, in ms, on the quiet machine of the same kind for which the goals were set.
const postThere = 0.05

// judge compares with the goals, as measured and by the speed of that machine: a machine with other work, or on a host
// with other machines, takes longer for everything.
func (r *report) judge(line *row) {
	cpu, rate := line.measured.cpuPerDelivery(), line.measured.rate()
	slower := line.measured.post / postThere
	if line.cpu > 0 {
		line.atMost("CPU", cpu, line.cpu, "ms")
		if slower > 0 {
			line.atMost("at that machine's speed", cpu/slower, line.cpu, "ms")
		}
	}
	if line.rate > 0 {
		line.atLeast("rate", rate, line.rate, "/s")
		if slower > 0 {
			line.atLeast("at that machine's speed", rate*slower, line.rate, "/s")
		}
	}
}

// inPosts is CPU per delivery in the unit of what a bare POST cost at that time, which a busy machine changes as much.
func (o *outcome) inPosts() string {
	if o.post == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f (%.3f)", o.cpuPerDelivery()/o.post, o.post)
}

// costlier is how much more CPU a delivery took than in another run, with what the machine's speed changed taken out
// where bare POSTs tell it.
func (o *outcome) costlier(than *outcome) float64 {
	ratio := o.cpuPerDelivery() / than.cpuPerDelivery()
	if o.post > 0 && than.post > 0 {
		ratio *= than.post / o.post
	}
	return ratio
}

// row writes a line. What was not measured is left empty.
func (r *report) row(w io.Writer, line *row) {
	title := line.title
	if line.note != "" {
		title += "; " + line.note
	}
	o := line.measured
	if o == nil || o.deliveries == 0 {
		fmt.Fprintf(w, "| %s | | | | | | | | %.0f | %s | %s |\n", title, float64(line.rss)/1e6, line.load,
			strings.Join(line.checks, "; "))
		return
	}
	r.judge(line)
	parts := make([]string, len(groupNames))
	for i, g := range groupNames {
		parts[i] = fmt.Sprintf("%.3f", o.cpuOf(o.cpu[g]))
	}
	if again := o.received.Posts - o.received.Failed - o.deliveries; again > 0 {
		title += fmt.Sprintf("; %d POSTs twice", again)
	}
	fmt.Fprintf(w, "| %s | **%.3f** | %s | %s | %.0f | %.1f / %.1f | %.1f / %.1f | %.3f, %.0f | %.0f | %s | %s |\n", title,
		o.cpuPerDelivery(), o.inPosts(), strings.Join(parts, " / "), o.rate(), millis(o.accept.P50), millis(o.accept.P99),
		millis(o.endToEnd.P50), millis(o.endToEnd.P99), o.commits, o.wal, float64(line.rss)/1e6, line.load,
		strings.Join(line.checks, "; "))
}
