package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func replayCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay", Aliases: []string{"job"}, Short: "Replay deliveries in bulk, and look after the jobs that do it",
		Long: `Replays deliveries of an endpoint by a job, which goes on by itself and survives restarts. The other
commands are for jobs of all kinds: replays, and those that drop what an endpoint has held.`,
	}
	cmd.AddCommand(replayCreate(a), replayList(a), replayGet(a),
		replayMove(a, "pause", "Do nothing more until it is resumed", (*client.Client).PauseJob),
		replayMove(a, "resume", "Go on where it stopped; also one that has failed", (*client.Client).ResumeJob),
		replayMove(a, "cancel", "End it; what it has done stays done", (*client.Client).CancelJob),
	)
	return cmd
}

// The states in which a job does nothing more by itself, for good or until somebody has mended something.
const (
	jobDone      = "done"
	jobCancelled = "cancelled"
	jobFailed    = "failed"
)

// newReplay is what the flags of replay create say.
type newReplay struct {
	fields       client.ReplayFields
	from, to     moment
	filter       string
	perSecond    int64
	dryRun, wait bool
}

func replayCreate(a *app) *cobra.Command {
	var n newReplay
	cmd := &cobra.Command{
		Use: "create --endpoint ID", Short: "Send a range of an endpoint's deliveries once more", Args: cobra.NoArgs,
		Long: `Sends deliveries of an endpoint once more, by a job: each as a new delivery with the same webhook-id. Without
--states those that failed; --states missing sends the events that have no delivery to the endpoint, as far as it
subscribes to them by now.`,
		Example: `  homing replay create --endpoint 0199... --from 2d --dry-run
  homing replay create --endpoint 0199... --from 2026-03-01T00:00:00Z --to 2026-03-02T00:00:00Z --wait
  homing replay create --endpoint 0199... --states missing --types 'order.*' --per-second 10`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			if n.dryRun && n.wait {
				return usage("--dry-run begins nothing that --wait could wait for")
			}
			made, err := c.CreateReplay(ctx, n.request(cmd))
			if err != nil {
				return err
			}
			return a.printReplay(cmd, c, made, n.wait)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&n.fields.Endpoint, "endpoint", "", "where to send (required)")
	f.Var(&n.from, "from", "only events accepted from then on: a time (RFC 3339), or how long ago, like 90m or 7d")
	f.Var(&n.to, "to", "only events accepted before then")
	f.StringSliceVar(&n.fields.States, "states", nil,
		"which deliveries: failed, exhausted, cancelled, succeeded; or missing (default: failed)")
	f.StringSliceVar(&n.fields.Types, "types", nil, "only events of these types, * for any run of characters")
	f.StringVar(&n.filter, "filter", "", "CloudEvents SQL expression that an event must satisfy as well")
	f.Int64Var(&n.perSecond, "per-second", 0, "how many to make in a second at most (default: the server's)")
	f.BoolVar(&n.dryRun, "dry-run", false, "begin nothing; show how many there would be, and the first few")
	f.BoolVar(&n.wait, "wait", false, "follow the job until it has ended")
	must(cmd.MarkFlagRequired("endpoint"))
	must(cmd.RegisterFlagCompletionFunc("endpoint", a.endpointIDs()))
	must(cmd.RegisterFlagCompletionFunc("states", cobra.FixedCompletions(
		[]string{"failed", "exhausted", "cancelled", "succeeded", "missing"}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// request is what the flags that were given say.
func (n *newReplay) request(cmd *cobra.Command) client.ReplayFields {
	in := n.fields
	in.DryRun = &n.dryRun
	if from := time.Time(n.from); !from.IsZero() {
		in.From = &from
	}
	if to := time.Time(n.to); !to.IsZero() {
		in.To = &to
	}
	if n.filter != "" {
		in.Filter = &n.filter
	}
	if cmd.Flags().Changed("per-second") {
		in.PerSecond = &n.perSecond
	}
	return in
}

// printReplay prints what a replay will do; with wait, what it has done.
func (a *app) printReplay(cmd *cobra.Command, c *client.Client, r *client.Replay, wait bool) error {
	if wait && r.Job != nil {
		return a.followJob(cmd, c, r.Job)
	}
	return a.print(cmd, r, func(w io.Writer) error {
		matched := atLeast(r.Matched, r.MatchedExact)
		if r.Job != nil {
			_, err := fmt.Fprintf(w, "job %s is begun, deliveries to replay: %s; `homing replay get %[1]s --wait` follows it\n",
				r.Job.ID, matched)
			return err
		}
		fmt.Fprintf(w, "deliveries that would be replayed: %s\n", matched)
		if len(r.First) == 0 {
			return nil
		}
		t := newTable("EVENT", "TYPE", "DELIVERY")
		for _, m := range r.First {
			t.row(m.Event, safe(m.Type), m.Delivery)
		}
		return t.write(w)
	})
}

// atLeast is a count that may be bounded.
func atLeast(n int64, exact bool) string {
	text := strconv.FormatInt(n, 10)
	if !exact {
		text = "at least " + text
	}
	return text
}

func replayList(a *app) *cobra.Command {
	var l listing
	var p client.ListJobsParams
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's jobs, newest first", Args: cobra.NoArgs,
		Example: "  homing replay list --state running\n  homing replay list --kind drop_held",
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			p.Limit = l.page()
			columns := []string{"ID", "KIND", "STATE", "DONE", "CREATED", "ENDPOINT"}
			return list(a, cmd, &l, c.ListJobs(ctx, p), rows[client.Job]{columns, func(j client.Job) []string {
				return []string{j.ID, j.Kind, j.State, jobProgress(j), clockTime(j.CreatedAt), jobEndpoint(j)}
			}})
		}),
	}
	l.addTo(cmd, false)
	f := cmd.Flags()
	f.StringVar(&p.Kind, "kind", "", "only jobs of this kind: replay, drop_held")
	f.StringVar(&p.State, "state", "", "only jobs in this state: running, paused, done, cancelled, failed")
	must(cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"replay", "drop_held"},
		cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(
		[]string{"running", "paused", jobDone, jobCancelled, jobFailed}, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// jobProgress is how far a job is: 5 of 10, or 5 where nobody counted.
func jobProgress(j client.Job) string {
	done := strconv.FormatInt(j.Done, 10)
	if j.Total == nil {
		return done
	}
	return done + " of " + atLeast(*j.Total, j.TotalExact)
}

// jobEndpoint is the endpoint that a job is about, if it is about one.
func jobEndpoint(j client.Job) string {
	if j.Replay != nil && j.Replay.Endpoint != "" {
		return j.Replay.Endpoint
	}
	return j.Endpoint
}

func replayGet(a *app) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show a job and how far it is", Args: oneID("replay"),
		Long: `Shows a job and how far it is. --wait follows it until it has ended, and exits with 1 when it has failed or was
cancelled; a paused job is waited for.`,
		Example: "  homing replay get 0199... --wait", ValidArgsFunction: a.jobIDs(),
		RunE: a.about("replay", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			j, err := c.GetJob(ctx, args[0])
			if err != nil {
				return err
			}
			if wait {
				return a.followJob(cmd, c, j)
			}
			return a.printJob(cmd, j)
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it until it has ended")
	return cmd
}

func (a *app) printJob(cmd *cobra.Command, j *client.Job) error {
	t := newTable()
	rate := ""
	if j.PerSecond != nil {
		rate = strconv.FormatInt(*j.PerSecond, 10) + " per second"
	}
	of := client.ReplayOf{}
	if j.Replay != nil {
		of = *j.Replay
	}
	for _, row := range [][2]string{
		{"job", j.ID}, {"kind", j.Kind}, {"state", j.State}, {"why", safe(j.Error)}, {"done", jobProgress(*j)},
		{"endpoint", jobEndpoint(*j)}, {"event", of.Event}, {"states", strings.Join(of.States, ",")},
		{"types", safe(strings.Join(of.Types, ","))}, {"filter", safe(of.Filter)}, {"from", clockTime(of.From)},
		{"to", clockTime(of.To)}, {"rate", rate}, {"created", clockTime(j.CreatedAt)}, {"got on", clockTime(j.UpdatedAt)},
		{"goes on", clockTime(j.NextAt)}, {"ended", clockTime(j.FinishedAt)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	return a.print(cmd, j, t.write)
}

// followJob looks at a job until it has ended, and prints how. That it did not end well is an error.
func (a *app) followJob(cmd *cobra.Command, c *client.Client, j *client.Job) error {
	ctx := cmd.Context()
	const interval = 500 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	total := 0
	if j.Total != nil {
		total = int(*j.Total)
	}
	shown := a.progress(cmd, "job "+j.ID+" has done", total)
	for j.State != jobDone && j.State != jobCancelled && j.State != jobFailed {
		shown.at(int(j.Done), j.State)
		select {
		case <-ctx.Done():
			return &mended{err: ctx.Err(), exit: exitFailed, text: fmt.Sprintf("job %s goes on without being "+
				"watched; `homing replay cancel %[1]s` ends it", j.ID)}
		case <-ticker.C:
		}
		next, err := c.GetJob(ctx, j.ID)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			j = next
		}
	}
	shown.clear()
	if err := a.printJob(cmd, j); err != nil || j.State == jobDone {
		return err
	}
	return errors.New(strings.TrimSpace("job " + j.ID + " is " + j.State + " " + safe(j.Error)))
}

// movingJob is a method of the client that moves a job to a state.
type movingJob func(*client.Client, context.Context, string, ...client.CallOption) (*client.Job, error)

func replayMove(a *app, verb, short string, move movingJob) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: oneID("replay"), ValidArgsFunction: a.jobIDs(),
		RunE: a.about("replay", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			j, err := move(c, ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, j, line("job %s is %s: %s done", j.ID, j.State, jobProgress(*j)))
		}),
	}
}
