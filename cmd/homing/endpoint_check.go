package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func endpointHealth(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "health ID", Short: "Show how an endpoint has been doing for the last 24 hours", Args: oneID("endpoint"),
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			h, err := c.GetEndpointHealth(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, h, healthTable(h).write)
		}),
	}
}

func healthTable(h *client.Health) *table {
	t := newTable()
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	last, day, latency := "", h.LastDay, ""
	if f := h.LastFailure; f != nil {
		last = fmt.Sprintf("%s %s (delivery %s)", clockTime(f.At), f.Outcome, f.Delivery)
	}
	if l := day.LatencyMS; l != nil {
		latency = fmt.Sprintf("p50 %s, p95 %s, p99 %s", milliseconds(l.P50), milliseconds(l.P95), milliseconds(l.P99))
	}
	for _, row := range [][2]string{
		{"endpoint", h.Endpoint}, {"state", h.State}, {"since", clockTime(h.StateSince)}, {"why", safe(h.Reason)},
		{"failing since", clockTime(h.FailingSince)}, {"throttled until", clockTime(h.ThrottledUntil)},
		{"attempts", count(day.Attempts)}, {"success", successRate(day)}, {"latency", latency},
		{"deliveries", fmt.Sprintf("%d succeeded, %d exhausted", day.Deliveries.Succeeded, day.Deliveries.Exhausted)},
		{"last success", clockTime(h.LastSuccessAt)}, {"last failure", last},
		{"waiting", fmt.Sprintf("%d, held %d", h.Waiting, h.Held)}, {"counted up to", clockTime(h.AsOf)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	return t
}

func endpointTest(a *app) *cobra.Command {
	var eventType, data string
	cmd := &cobra.Command{
		Use: "test ID", Short: "Send a test event to an endpoint, and to no other", Args: oneID("endpoint"),
		Long: `Sends a test event, whatever the endpoint subscribes to. It is stored, signed and attempted like any other.
With the type of an entry in the catalogue it has the example of that.`,
		Example: `  homing endpoint test 0199...
  homing endpoint test 0199... --type order.paid --data @order.json`,
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			var in client.TestEvent
			if eventType != "" {
				in.Type = &eventType
			}
			if cmd.Flags().Changed("data") {
				if data == "-" && a.keyFile == "-" {
					return usage("--data - and --key-file - cannot both read standard input")
				}
				var err error
				if in.Data, err = document("--data", data, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			sent, err := c.TestEndpoint(ctx, args[0], in)
			if err != nil {
				return err
			}
			return a.print(cmd, sent, line("event %s goes out as delivery %s; `homing delivery get %[2]s` shows how it went",
				sent.Event, sent.Delivery))
		}),
	}
	cmd.Flags().StringVar(&eventType, "type", "", "its type (default: io.homing.test)")
	cmd.Flags().StringVar(&data, "data", "", "its data, JSON, or @FILE, or - for standard input (default: the example)")
	must(cmd.RegisterFlagCompletionFunc("type", a.eventTypeNames()))
	return cmd
}

func endpointHandshake(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "handshake ID", Short: "Ask an endpoint for its consent (CloudEvents webhooks)", Args: oneID("endpoint"),
		Long: `Asks an endpoint for its consent, by the handshake of CloudEvents webhooks. Exits with 1 when it has not
consented. The server must have HOMING_HANDSHAKE_ORIGIN.`,
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			h, err := c.HandshakeEndpoint(ctx, args[0])
			if err != nil {
				return err
			}
			text := "endpoint " + args[0] + " has consented"
			if !h.Consented {
				text = "endpoint " + args[0] + " has not consented"
			}
			if err := a.print(cmd, h, line("%s%s", text, consentOf(h.Consent))); err != nil || h.Consented {
				return err
			}
			return errors.New(cmp.Or(safe(h.Detail), "no consent"))
		}),
	}
}

// consentOf says what an endpoint has consented to, after that it has.
func consentOf(c *client.Consent) string {
	switch {
	case c == nil:
		return ""
	case c.PerMinute == nil:
		return fmt.Sprintf(" to be sent events by %s, at any rate", safe(c.Origin))
	default:
		return fmt.Sprintf(" to be sent events by %s, up to %d a minute", safe(c.Origin), *c.PerMinute)
	}
}
