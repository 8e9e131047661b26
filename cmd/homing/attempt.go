package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func attemptCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "attempt", Short: "Look at the attempts of a delivery"}
	cmd.AddCommand(attemptList(a), attemptGet(a))
	return cmd
}

func attemptList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list DELIVERY", Short: "List the attempts of a delivery that are over", Args: oneID("delivery"),
		ValidArgsFunction: a.deliveryIDs(),
		RunE: a.about("delivery", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.GetDelivery(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, d.History, attemptTable(d.History).write)
		}),
	}
}

func attemptGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get DELIVERY NUMBER", Short: "Show an attempt: headers sent, latency by phase, and the answer",
		Example: "  homing attempt get 0199... 1", ValidArgsFunction: a.deliveryIDs(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name a delivery by its id, and the number of the attempt: `homing attempt list` shows them")
			}
			_, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no number of an attempt: they count from 1", args[1])
			}
			return nil
		},
		RunE: a.about("delivery", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.GetDelivery(ctx, args[0])
			if err != nil {
				return err
			}
			number, _ := strconv.ParseInt(args[1], 10, 64)
			i := slices.IndexFunc(d.History, func(at client.Attempt) bool { return at.Number == number })
			if i < 0 {
				return &mended{exit: exitNotFound, text: fmt.Sprintf("delivery %s has no record of attempt %d: `homing attempt "+
					"list %[1]s` shows those that are over", d.ID, number)}
			}
			return a.print(cmd, d.History[i], func(w io.Writer) error { return attemptHuman(w, d.History[i]) })
		}),
	}
}

func attemptHuman(w io.Writer, at client.Attempt) error {
	t := newTable()
	ms := func(v float64) string { return fmt.Sprintf("%.1f ms", v) }
	l := at.LatencyMS
	for _, row := range [][2]string{
		{"attempt", strconv.FormatInt(at.Number, 10)}, {"started", clockTime(at.StartedAt)}, {"outcome", at.Outcome},
		{"status", statusOf(at)}, {"detail", safe(at.Detail)}, {"dns", ms(l.DNS)}, {"connect", ms(l.Connect)},
		{"tls", ms(l.TLS)}, {"first byte", ms(l.FirstByte)}, {"whole", ms(l.Total)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(at.RequestHeaders)) {
		t.row("> "+safe(name), safe(at.RequestHeaders[name]))
	}
	if at.RequestHeadersPartial {
		t.row("> …", "(the endpoint was changed since; its own headers are not known any more)")
	}
	for _, name := range slices.Sorted(maps.Keys(at.ResponseHeaders)) {
		t.row("< "+safe(name), safe(at.ResponseHeaders[name]))
	}
	if err := t.write(w); err != nil {
		return err
	}
	body := safe(at.ResponseBody)
	if len(at.ResponseBodyBase64) > 0 {
		body = "(" + strconv.Itoa(len(at.ResponseBodyBase64)) + " bytes that are not text; -o json shows them)"
	}
	if body == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", body)
	return err
}
