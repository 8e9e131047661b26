package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/pkg/config"
)

// print writes v as JSON or YAML when that was asked for, and by human otherwise.
func (a *app) print(cmd *cobra.Command, v any, human func(io.Writer) error) error {
	w := cmd.OutOrStdout()
	switch a.output {
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	case "yaml":
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	if a.colours(w) {
		return human(colourful{w})
	}
	return human(w)
}

// line is a human form of one line.
func line(format string, args ...any) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, format+"\n", args...)
		return err
	}
}

// colours reports whether to write colours: to a terminal, unless NO_COLOR is set (https://no-color.org).
func (a *app) colours(w io.Writer) bool {
	return isTerminal(w) && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // by any name: standard input that is empty is /dev/stdin
	return err != nil || !os.SameFile(info, null)
}

// colourful marks a writer that colours may be written to.
type colourful struct{ io.Writer }

// Colours of the words that say how something is.
const (
	red, green, yellow = "\x1b[31m", "\x1b[32m", "\x1b[33m"
	bold, plain        = "\x1b[1m", "\x1b[0m"
)

var wordColours = map[string]string{
	"succeeded": green, "success": green, "active": green, "healthy": green, "done": green, "valid": green, "ok": green,
	"scheduled": yellow, "running": yellow, "throttled": yellow, "attempting": yellow,
	"paused": yellow, "expired": yellow, "deleting": yellow, "warning": yellow,
	"exhausted": red, "failing": red, "disabled": red, "revoked": red, "failed": red, "cancelled": red, "deleted": red,
}

// table is rows in aligned columns.
type table struct{ rows [][]string }

// newTable makes a table with names of its columns; with none it has no first line.
func newTable(names ...string) *table {
	t := &table{}
	if len(names) > 0 {
		t.rows = append(t.rows, names)
	}
	return t
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table. Cells that are words like "succeeded" are coloured when w may have colours.
func (t *table) write(w io.Writer) error {
	_, coloured := w.(colourful)
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range t.rows {
		last := len(row) - 1
		for last > 0 && row[last] == "" {
			last--
		}
		for i, cell := range row[:last+1] {
			b.WriteString(painted(cell, coloured, n == 0 && isHeader(row)))
			if i < last {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func painted(cell string, coloured, header bool) string {
	word, _, _ := strings.Cut(cell, " ")
	colour := wordColours[word]
	if header {
		colour = bold
	}
	if !coloured || colour == "" || cell == "" {
		return cell
	}
	return colour + cell + plain
}

// isHeader reports whether a row is of names of columns.
func isHeader(row []string) bool {
	return !slices.ContainsFunc(row, func(cell string) bool { return cell != strings.ToUpper(cell) })
}

// clockTime is a moment as a person reads it.
func clockTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// safe is a text that comes from elsewhere, with nothing that a terminal would act on.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, text)
}

// progress counts on standard error while something long is done, when that is a terminal.
type progress struct {
	w           io.Writer
	what        string
	total, done int
}

// progressEvery is how many steps pass before the count is shown again; shorter work shows none.
const progressEvery = 50

func (a *app) progress(cmd *cobra.Command, what string, total int) *progress {
	p := &progress{what: what, total: total}
	if w := cmd.ErrOrStderr(); isTerminal(w) {
		p.w = w
	}
	return p
}

func (p *progress) step() {
	p.done++
	switch {
	case p.w == nil || p.done%progressEvery != 0:
	case p.total > 0:
		fmt.Fprintf(p.w, "\r%s %d of %d", p.what, p.done, p.total)
	default:
		fmt.Fprintf(p.w, "\r%s %d", p.what, p.done)
	}
}

// end takes the count away again.
func (p *progress) end() {
	if p.done >= progressEvery {
		p.clear()
	}
}

// at shows how far somebody else's work is, and its state.
func (p *progress) at(done int, state string) {
	switch {
	case p.w == nil:
	case p.total > 0:
		fmt.Fprintf(p.w, "\r%s %d of %d, %s\x1b[K", p.what, done, p.total, state)
	default:
		fmt.Fprintf(p.w, "\r%s %d, %s\x1b[K", p.what, done, state)
	}
}

// clear takes away what is shown.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// confirm asks a person at a terminal. Where there is nobody to ask it is an error, and mend says what to do instead.
func confirm(in io.Reader, w io.Writer, question, mend string) error {
	if f, ok := in.(*os.File); !ok || !isTerminal(f) {
		return usage(mend)
	}
	return answered(in, w, question)
}

// answered asks a question, and is an error unless the answer is yes.
func answered(in io.Reader, w io.Writer, question string) error {
	fmt.Fprintf(w, "%s [y/N] ", question)
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &mended{exit: exitFailed, text: "nothing was done"}
	}
	return nil
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

// moment is a flag of a point in time: RFC 3339, or how long ago.
type moment time.Time

// String implements pflag.Value.
func (m *moment) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return time.Time(*m).Format(time.RFC3339)
}

// Type implements pflag.Value.
func (m *moment) Type() string { return "time" }

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		*m = moment(at)
		return nil
	}
	ago, err := config.ParseDuration(text)
	if err != nil {
		return errors.New("write a time like 2026-03-01T12:00:00Z, or how long ago, like 90m or 7d")
	}
	*m = moment(time.Now().Add(-ago))
	return nil
}

// must panics on an error that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// joined names the words that a flag can have.
func joined[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
