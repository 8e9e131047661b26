package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func deliveryCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "delivery", Short: "Look at deliveries, retry and cancel them"}
	cmd.AddCommand(deliveryList(a), deliveryGet(a), deliveryRetry(a), deliveryCancel(a))
	return cmd
}

// deliveryColumns and deliveryRow are a delivery in a list.
var deliveryColumns = []string{"ID", "STATE", "ATTEMPTS", "MADE", "DUE", "ENDPOINT"}

func deliveryRow(d client.Delivery) []string {
	due := ""
	if d.State == string(webhook.StateScheduled) {
		due = clockTime(d.DueAt)
	}
	return []string{
		d.ID, stateOf(d.State, d.Reason), strconv.FormatInt(d.Attempts, 10), clockTime(d.CreatedAt), due, d.Endpoint,
	}
}

// stateOf is a state with its reason.
func stateOf(state, reason string) string {
	if reason == "" {
		return state
	}
	return state + " (" + reason + ")"
}

func deliveryList(a *app) *cobra.Command {
	var l listing
	var p client.ListDeliveriesParams
	states, outcomes := joined(webhook.States), joined(webhook.Outcomes)
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's deliveries, newest first", Args: cobra.NoArgs,
		Example: `  homing delivery list --state exhausted --since 7d --limit 100
  homing delivery list --endpoint 0199... --outcome timeout -o json`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			if p.State != "" && !slices.Contains(webhook.States, webhook.State(p.State)) {
				return usage(fmt.Sprintf("--state %q is none of %s", p.State, states))
			}
			if p.Outcome != "" && !slices.Contains(webhook.Outcomes, webhook.Outcome(p.Outcome)) {
				return usage(fmt.Sprintf("--outcome %q is none of %s", p.Outcome, outcomes))
			}
			p.Since, p.Until, p.Limit = l.from(), l.to(), l.page()
			return list(a, cmd, &l, c.ListDeliveries(ctx, p), rows[client.Delivery]{deliveryColumns, deliveryRow})
		}),
	}
	l.addTo(cmd, true)
	f := cmd.Flags()
	f.StringVar(&p.Endpoint, "endpoint", "", "only those to this endpoint")
	f.StringVar(&p.Event, "event", "", "only those of this event")
	f.StringVar(&p.State, "state", "", "only those in this state: "+states)
	must(cmd.RegisterFlagCompletionFunc("endpoint", a.endpointIDs()))
	f.StringVar(&p.Outcome, "outcome", "", "only those whose last attempt had this outcome: "+outcomes)
	must(cmd.RegisterFlagCompletionFunc("state", oneOfThese(webhook.States)))
	must(cmd.RegisterFlagCompletionFunc("outcome", oneOfThese(webhook.Outcomes)))
	return cmd
}

// oneOfThese completes a flag that takes one of some words.
func oneOfThese[T ~string](all []T) cobra.CompletionFunc {
	words := make([]string, len(all))
	for i, word := range all {
		words[i] = string(word)
	}
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

func deliveryGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show a delivery with every attempt", Args: oneID("delivery"),
		ValidArgsFunction: a.deliveryIDs(),
		RunE: a.about("delivery", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.GetDelivery(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, d, func(w io.Writer) error { return deliveryHuman(w, d) })
		}),
	}
}

func deliveryHuman(w io.Writer, d *client.DeliveryWithAttempts) error {
	t := newTable()
	held := ""
	if d.Held {
		held = "its endpoint takes nothing just now; `homing endpoint get " + d.Endpoint + "` says why"
	}
	due := ""
	if d.State == string(webhook.StateScheduled) {
		due = clockTime(d.DueAt)
	}
	for _, row := range [][2]string{
		{"delivery", d.ID}, {"state", stateOf(d.State, d.Reason)}, {"held", held}, {"due", due}, {"endpoint", d.Endpoint},
		{"event", d.Event}, {"type", safe(d.EventType)}, {"replay of", d.ReplayOf},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	if err := t.write(w); err != nil || len(d.History) == 0 {
		return err
	}
	fmt.Fprintln(w)
	return attemptTable(d.History).write(w)
}

func attemptTable(attempts []client.Attempt) *table {
	t := newTable("ATTEMPT", "STARTED", "OUTCOME", "STATUS", "TOOK", "DETAIL")
	for _, at := range attempts {
		t.row(strconv.FormatInt(at.Number, 10), clockTime(at.StartedAt), at.Outcome, statusOf(at),
			fmt.Sprintf("%.1f ms", at.LatencyMS.Total), safe(at.Detail))
	}
	return t
}

// statusOf is the HTTP status of an attempt's answer; "" when none came.
func statusOf(at client.Attempt) string {
	if at.Status == nil {
		return ""
	}
	return strconv.FormatInt(*at.Status, 10)
}

func deliveryRetry(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Attempt a delivery now; one that has ended is replayed as a new delivery",
		Args: oneID("delivery"), ValidArgsFunction: a.deliveryIDs(),
		RunE: a.about("delivery", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.RetryDelivery(ctx, args[0])
			if client.IsConflict(err) {
				return whyNoRetry(ctx, c, args[0], err)
			}
			if err != nil {
				return err
			}
			return a.print(cmd, d, func(w io.Writer) error {
				what := "is due now"
				if d.ID != args[0] {
					what = "is replayed as " + d.ID
				}
				_, err := fmt.Fprintf(w, "delivery %s %s: %s\n", args[0], what, goesOut(ctx, c, d))
				return err
			})
		}),
	}
}

// goesOut says when a delivery that is due goes out: what holds it, if something does, is its endpoint.
func goesOut(ctx context.Context, c *client.Client, d *client.DeliveryWithAttempts) string {
	if !d.Held {
		return "it goes out at once"
	}
	e, err := c.GetEndpoint(ctx, d.Endpoint)
	switch {
	case err != nil:
		return "it is held by its endpoint"
	case e.Status != string(webhook.EndpointActive):
		return fmt.Sprintf("it is held while its endpoint is %s (%s); `homing endpoint resume %s` lets it go", e.Status,
			safe(e.StatusReason), e.ID)
	default:
		return "it is held, for its endpoint has asked to wait until " + clockTime(e.ThrottledUntil)
	}
}

// whyNoRetry says why a delivery could not be made due.
func whyNoRetry(ctx context.Context, c *client.Client, id string, err error) error {
	d, getErr := c.GetDelivery(ctx, id)
	if getErr == nil && d.State == string(webhook.StateAttempting) {
		return &mended{err: err, text: fmt.Sprintf("delivery %s is being attempted just now: `homing delivery get %[1]s` "+
			"tells how it went", id)}
	}
	return &mended{err: err, text: "delivery " + id + " cannot be sent again: its endpoint was deleted"}
}

func deliveryCancel(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID", Short: "Make no further attempt of a delivery", Args: oneID("delivery"),
		ValidArgsFunction: a.deliveryIDs(),
		RunE: a.about("delivery", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.CancelDelivery(ctx, args[0])
			if client.IsConflict(err) {
				return &mended{err: err, text: "delivery " + args[0] + " has ended already: there is nothing to cancel"}
			}
			if err != nil {
				return err
			}
			return a.print(cmd, d, line("delivery %s is %s", d.ID, d.State))
		}),
	}
}
