package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func eventCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "event", Short: "Look at the events that were accepted"}
	cmd.AddCommand(eventList(a), eventGet(a))
	return cmd
}

func eventList(a *app) *cobra.Command {
	var l listing
	var p client.ListEventsParams
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's events, newest first", Args: cobra.NoArgs,
		Example: "  homing event list --type order.paid --since 1h",
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			p.Since, p.Until, p.Limit = l.from(), l.to(), l.page()
			columns := []string{"ID", "ACCEPTED", "TYPE", "SUBJECT", "SOURCE", "EVENT ID"}
			return list(a, cmd, &l, c.ListEvents(ctx, p), rows[client.Event]{columns, func(e client.Event) []string {
				return []string{
					e.ID, clockTime(e.AcceptedAt), safe(e.Type), safe(e.Subject), safe(e.Source), safe(e.EventID),
				}
			}})
		}),
	}
	l.addTo(cmd, true)
	cmd.Flags().StringVar(&p.Type, "type", "", "only those of this type")
	cmd.Flags().StringVar(&p.Subject, "subject", "", "only those with this subject")
	return cmd
}

func eventGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show an event with its payload and its deliveries",
		Args: oneID("event"),
		RunE: a.about("event", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			e, err := c.GetEvent(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, e, func(w io.Writer) error { return eventHuman(w, e) })
		}),
	}
}

func eventHuman(w io.Writer, e *client.EventWithData) error {
	t := newTable()
	for _, row := range [][2]string{
		{"event", e.ID}, {"source", safe(e.Source)}, {"event id", safe(e.EventID)}, {"type", safe(e.Type)},
		{"subject", safe(e.Subject)}, {"time", clockTime(e.Time)}, {"accepted", clockTime(e.AcceptedAt)},
		{"content type", safe(e.DataContentType)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	if err := t.write(w); err != nil {
		return err
	}
	payload := string(e.Data) + e.DataText
	if len(e.DataBase64) > 0 {
		payload = "(" + strconv.Itoa(len(e.DataBase64)) + " bytes that are not text; -o json shows them)"
	}
	fmt.Fprintf(w, "\n%s\n\n", safe(payload))
	deliveries := newTable("DELIVERY", "STATE", "ATTEMPTS", "ENDPOINT")
	for _, d := range e.Deliveries {
		deliveries.row(d.ID, stateOf(d.State, d.Reason), strconv.FormatInt(d.Attempts, 10), d.Endpoint)
	}
	return deliveries.write(w)
}
