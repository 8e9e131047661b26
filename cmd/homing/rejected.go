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
	cmd := &cobra.Command{Use: "rejected", Short: "Look at events from a broker that could not be accepted"}
	cmd.AddCommand(rejectedList(a), rejectedGet(a), rejectedDiscard(a))
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

func rejectedDiscard(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "discard ID", Short: "Discard a rejected event for good", Args: oneID("rejected"),
		RunE: a.about("rejected", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			r, err := c.DiscardRejectedEvent(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, r, line("rejected event %s is discarded", r.ID))
		}),
	}
}
