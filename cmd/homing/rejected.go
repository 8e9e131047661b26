package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func rejectedCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rejected", Short: "Look at events from a broker that could not be accepted, and redrive them",
	}
	cmd.AddCommand(rejectedList(a), rejectedGet(a), rejectedRedrive(a), rejectedDiscard(a))
	a.operatorFlag("those that name no tenant", cmd.Commands()...)
	return cmd
}

func rejectedList(a *app) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list", Short: "List rejected events, newest first", Args: cobra.NoArgs,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			all := c.ListRejectedEvents(ctx, client.ListRejectedEventsParams{Limit: l.page()})
			columns := []string{"ID", "REJECTED", "REASON", "DETAIL"}
			return list(a, cmd, &l, all, rows[client.RejectedEvent]{columns, func(r client.RejectedEvent) []string {
				return []string{r.ID, clockTime(r.RejectedAt), r.Reason, safe(r.Detail)}
			}})
		}),
	}
	l.addTo(cmd, false)
	return cmd
}

func rejectedGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show what came, and why it was rejected", Args: oneID("rejected"),
		ValidArgsFunction: a.rejectedIDs(),
		RunE: a.about("rejected", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			r, err := c.GetRejectedEvent(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, r, func(w io.Writer) error {
				t := newTable()
				t.row("rejected", r.ID)
				t.row("at", clockTime(r.RejectedAt))
				t.row("reason", r.Reason)
				t.row("detail", safe(r.Detail))
				switch {
				case r.Event != "":
					t.row("became event", r.Event)
				case !r.RedriveAt.IsZero():
					t.row("redriven since", clockTime(r.RedriveAt))
				case !r.Whole:
					t.row("redrive", "not possible: not all that came was kept")
				}
				for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
					t.row("> "+safe(name), safe(r.Headers[name]))
				}
				if err := t.write(w); err != nil {
					return err
				}
				body := safe(r.Body)
				if len(r.BodyBase64) > 0 {
					body = "(" + strconv.Itoa(len(r.BodyBase64)) + " bytes that are not text; -o json shows them)"
				}
				_, err := fmt.Fprintf(w, "\n%s\n", body)
				return err
			})
		}),
	}
}

func rejectedRedrive(a *app) *cobra.Command {
	var in client.RedriveOrder
	var reason string
	var limit int64
	var all bool
	cmd := &cobra.Command{
		Use: "redrive ID | --reason REASON | --all", Short: "Take rejected events again, once what was wrong is mended",
		Long: `Takes a rejected event again as it came, or all of a reason, or all. It is done within a tick; ` +
			"`homing rejected get`" + `
then shows the event that it has become, or why it was rejected anew.`,
		Example: `  homing rejected redrive 0199...
  homing rejected redrive --reason schema --limit 500`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.rejectedIDs(),
	}
	one := a.about("rejected", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		r, err := c.RedriveRejectedEvent(ctx, args[0])
		if err != nil {
			return err
		}
		return a.print(cmd, r, line("rejected event %s is taken again within a tick", r.ID))
	})
	many := a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		if reason != "" {
			in.Reason = &reason
		}
		if cmd.Flags().Changed("limit") {
			in.Limit = &limit
		}
		r, err := c.RedriveRejectedEvents(ctx, in)
		if err != nil {
			return err
		}
		return a.print(cmd, r, line("rejected events that are taken again within a tick: %d", r.Count))
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch named := len(args) == 1; {
		case named == (reason != "" || all), named && cmd.Flags().Changed("limit"):
			return usage("name one rejected event by its id, or say --reason or --all; --limit goes with these")
		case named:
			return one(cmd, args)
		}
		return many(cmd, args)
	}
	cmd.Flags().StringVar(&reason, "reason", "", "all that were rejected for this reason")
	cmd.Flags().BoolVar(&all, "all", false, "all")
	cmd.Flags().Int64Var(&limit, "limit", 0, "how many at most, the oldest first (default: the server's)")
	cmd.MarkFlagsMutuallyExclusive("reason", "all")
	return cmd
}

func rejectedDiscard(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "discard ID", Short: "Discard a rejected event for good", Args: oneID("rejected"),
		ValidArgsFunction: a.rejectedIDs(),
		RunE: a.about("rejected", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			r, err := c.DiscardRejectedEvent(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, r, line("rejected event %s is discarded", r.ID))
		}),
	}
}
