package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func statsCommand(a *app) *cobra.Command {
	var p client.GetStatsParams
	var l listing
	cmd := &cobra.Command{
		Use: "stats", Short: "Count what was accepted, attempted and ended", Args: cobra.NoArgs,
		Long: `Counts by buckets of time, for the tenant as a whole or for one endpoint: the last 24 hours, or 30 days by
days. Buckets of five minutes are kept for a week. Latencies are of whole attempts.`,
		Example: `  homing stats --bucket 1h
  homing stats --endpoint 0199... --since 7d --bucket 1d -o json`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			p.From, p.To = l.from(), l.to()
			s, err := c.GetStats(ctx, p)
			if err != nil {
				return err
			}
			return a.print(cmd, s, func(w io.Writer) error { return statsHuman(w, s) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&p.Endpoint, "endpoint", "", "only of this endpoint")
	f.Var(&l.since, "since", "from then on, to the bucket: a time (RFC 3339), or how long ago, like 90m or 7d")
	f.Var(&l.until, "until", "until then, to the bucket (default: now)")
	// The API calls them so, and so do its errors.
	f.Var(&l.since, "from", "the same as --since")
	f.Var(&l.until, "to", "the same as --until")
	must(f.MarkHidden("from"))
	must(f.MarkHidden("to"))
	f.StringVar(&p.Bucket, "bucket", "", "how long each is: 5m, 1h or 1d (default: the server's)")
	must(cmd.RegisterFlagCompletionFunc("endpoint", a.endpointIDs()))
	must(cmd.RegisterFlagCompletionFunc("bucket", cobra.FixedCompletions([]string{"5m", "1h", "1d"},
		cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

func statsHuman(w io.Writer, s *client.Stats) error {
	t := newTable("AT", "EVENTS", "ATTEMPTS", "SUCCESS", "P50", "P99", "SUCCEEDED", "EXHAUSTED")
	for _, b := range s.Data {
		t.row(countsRow(clockTime(b.At), client.Counts{
			Attempts: b.Attempts, Deliveries: b.Deliveries, Events: b.Events, LatencyMS: b.LatencyMS, Outcomes: b.Outcomes,
			SuccessRate: b.SuccessRate,
		})...)
	}
	t.row(countsRow("total", s.Total)...)
	if err := t.write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\ncounted up to %s\n", clockTime(s.AsOf))
	return err
}

func countsRow(of string, n client.Counts) []string {
	p50, p99 := "-", "-"
	if n.LatencyMS != nil {
		p50, p99 = milliseconds(n.LatencyMS.P50), milliseconds(n.LatencyMS.P99)
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	events := "-" // an endpoint accepts none
	if n.Events != nil {
		events = count(*n.Events)
	}
	return []string{
		of, events, count(n.Attempts), successRate(n), p50, p99, count(n.Deliveries.Succeeded),
		count(n.Deliveries.Exhausted),
	}
}

// successRate is the share of the attempts that succeeded; nothing is said of none.
func successRate(n client.Counts) string { return rateOf(n.SuccessRate) }

// rateOf is a share in percent; nil is that of nothing.
func rateOf(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*(*share))
}

func milliseconds(v float64) string { return fmt.Sprintf("%.1f ms", v) }
