package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

// tailing is what the flags of tail say, and what it has shown.
type tailing struct {
	app      *app
	filter   client.ListDeliveriesParams
	interval duration
	window   duration
	limit    int

	shown   map[string]string // what was shown of each delivery, by its id
	printed int
}

// Bounds of what tail asks for at a time.
const (
	tailPage     = 250
	tailMost     = 1000
	tailFastest  = 200 * time.Millisecond
	tailInterval = time.Second
	tailWindow   = 10 * time.Minute
)

func tailCommand(a *app) *cobra.Command {
	t := tailing{app: a, interval: duration(tailInterval), window: duration(tailWindow), shown: make(map[string]string)}
	cmd := &cobra.Command{
		Use: "tail", Short: "Follow deliveries as they are made and change", Args: cobra.NoArgs,
		Long: `Prints a line for each delivery that is made from now on, and another each time its state or number of attempts
changes, until Ctrl-C. It asks every --interval for the deliveries made since it began, or within --window, the newest
1000 at most.`,
		Example: `  homing tail
  homing tail --endpoint 0199... --state exhausted -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&t.filter.Endpoint, "endpoint", "", "only those to this endpoint")
	f.StringVar(&t.filter.State, "state", "", "only those in this state")
	f.Var(&t.interval, "interval", "how often to look")
	f.Var(&t.window, "window", "for how long after it was made a delivery is followed")
	f.IntVar(&t.limit, "limit", 0, "end after so many lines (default: never)")
	must(cmd.RegisterFlagCompletionFunc("endpoint", a.endpointIDs()))
	return cmd
}

func (t *tailing) run(cmd *cobra.Command) error {
	if time.Duration(t.interval) < tailFastest {
		return usage("--interval must be at least " + tailFastest.String())
	}
	c, _, err := t.app.connect(false)
	if err != nil {
		return err
	}
	ctx, began := cmd.Context(), time.Now()
	ticker := time.NewTicker(time.Duration(t.interval))
	defer ticker.Stop()
	for {
		if err := t.look(cmd, c, began); err != nil && ctx.Err() == nil {
			return err
		}
		if t.done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (t *tailing) done() bool { return t.limit > 0 && t.printed >= t.limit }

// look asks once, and prints what is new, the oldest first.
func (t *tailing) look(cmd *cobra.Command, c *client.Client, began time.Time) error {
	q := t.filter
	// Clocks differ a little between here and there.
	const slack = 5 * time.Second
	q.Since, q.Limit = began.Add(-slack), tailPage
	if oldest := time.Now().Add(-time.Duration(t.window)); oldest.After(q.Since) {
		q.Since = oldest
	}
	found, err := client.Collect(c.ListDeliveries(cmd.Context(), q), tailMost)
	if err != nil {
		return err
	}
	seen := make(map[string]string, len(found))
	for _, d := range slices.Backward(found) {
		now := fmt.Sprint(d.State, d.Reason, d.Attempts)
		seen[d.ID] = now
		if t.shown[d.ID] == now || t.done() {
			continue
		}
		if err := t.print(cmd, d); err != nil {
			return err
		}
		t.printed++
	}
	t.shown = seen // what is out of the window is forgotten
	return nil
}

func (t *tailing) print(cmd *cobra.Command, d client.Delivery) error {
	row := newTable()
	cells := append([]string{time.Now().Format("15:04:05")}, deliveryRow(d)...)
	cells[2] = fmt.Sprintf("%-10s", cells[2])
	row.row(cells[0], cells[1], cells[2], "attempts "+cells[3], "endpoint "+d.Endpoint)
	return t.app.print(cmd, d, row.write)
}
