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
	cmd := &cobra.Command{Use: "event", Short: "Look at the events that were accepted, replay and erase them"}
	cmd.AddCommand(eventList(a), eventGet(a), eventReplay(a), eventErase(a))
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
		Args: oneID("event"), ValidArgsFunction: a.eventIDs(),
		RunE: a.about("event", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			e, err := c.GetEvent(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, e, func(w io.Writer) error { return eventHuman(w, e) })
		}),
	}
}

func eventReplay(a *app) *cobra.Command {
	var endpoint string
	var wait bool
	cmd := &cobra.Command{
		Use: "replay ID", Short: "Send an event's deliveries that have ended once more", Args: oneID("event"),
		Example: `  homing event replay 0199...
  homing event replay 0199... --endpoint 0199... --wait`,
		ValidArgsFunction: a.eventIDs(),
		RunE: a.about("event", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			var in client.ReplayEventInput
			if endpoint != "" {
				in.Endpoint = &endpoint
			}
			made, err := c.ReplayEvent(ctx, args[0], in)
			if err != nil {
				return err
			}
			return a.printReplay(cmd, c, made, wait)
		}),
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only the deliveries to this endpoint")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the job until it has ended")
	must(cmd.RegisterFlagCompletionFunc("endpoint", a.endpointIDs()))
	return cmd
}

func eventErase(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "erase ID", Short: "Erase an event's payload for good; that it was accepted stays on record",
		Args: oneID("event"), ValidArgsFunction: a.eventIDs(),
		Long: `Erases an event's payload for good, with those of its replays and what its attempts were answered. What is
still to be sent of it is cancelled. It asks first; where there is nobody to ask, --yes must be given.`,
		Example: "  homing event erase 0199... --yes",
		RunE: a.about("event", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			if !yes {
				const mend = "erasing is for good: say --yes where nobody can be asked"
				question := "Erase the payload of event " + args[0] + " for good?"
				if err := confirm(cmd.InOrStdin(), cmd.ErrOrStderr(), question, mend); err != nil {
					return err
				}
			}
			e, err := c.EraseEventPayload(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, e, line("the payload of event %s is erased", e.ID))
		}),
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func eventHuman(w io.Writer, e *client.EventWithData) error {
	t := newTable()
	for _, row := range [][2]string{
		{"event", e.ID}, {"source", safe(e.Source)}, {"event id", safe(e.EventID)}, {"type", safe(e.Type)},
		{"subject", safe(e.Subject)}, {"time", clockTime(e.Time)}, {"accepted", clockTime(e.AcceptedAt)},
		{"content type", safe(e.DataContentType)}, {"schema error", safe(e.SchemaError)}, {"erased", clockTime(e.ErasedAt)},
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
