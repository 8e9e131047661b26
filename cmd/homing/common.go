package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// run is a command that calls the API.
type run func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error

// calls makes the RunE of a command that calls the API.
func (a *app) calls(f run) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, _, err := a.connect(false)
		if err != nil {
			return err
		}
		return f(cmd.Context(), cmd, c, args)
	}
}

// about is calls for a command whose first argument is the id of a thing, or the name of one that has a name: it says
// which there is not.
func (a *app) about(thing string, f run) func(*cobra.Command, []string) error {
	return a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		named := thing == "tenant" || thing == "event-type"
		if _, err := webhook.ParseID(args[0]); err != nil && !named {
			return usage(fmt.Sprintf("%q: %v; `homing %s list` shows the ids", args[0], err, thing))
		}
		err := f(ctx, cmd, c, args)
		if client.IsNotFound(err) {
			return &mended{err: err, text: fmt.Sprintf("there is no %s %s that this key may see; `homing %[1]s list` shows "+
				"those there are (--tenant names another tenant)", thing, safe(args[0]))}
		}
		return err
	})
}

// oneID wants one argument, the id of a thing.
func oneID(thing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("name one %s by its id; `homing %s list` shows them", thing, thing)
		}
		return nil
	}
}

// oneName wants one argument, the name of a thing.
func oneName(thing string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 || !tenantForm.MatchString(args[0]) {
			return fmt.Errorf("name one %s: 1 to 64 of the characters a-z, 0-9, _ and -", thing)
		}
		return nil
	}
}

// listing are the flags of a list.
type listing struct {
	limit        int
	since, until moment
}

// addTo adds the flags to a command; those of time when it has a time.
func (l *listing) addTo(cmd *cobra.Command, hasTime bool) {
	cmd.Flags().IntVar(&l.limit, "limit", 20, "how many to list at most; 0: all")
	if hasTime {
		cmd.Flags().Var(&l.since, "since", "only from then on: a time (RFC 3339), or how long ago, like 90m or 7d")
		cmd.Flags().Var(&l.until, "until", "only before then")
	}
}

// page is how many to ask for at a time.
func (l *listing) page() int64 {
	const most = 250
	if l.limit <= 0 || l.limit > most {
		return most
	}
	return int64(l.limit)
}

func (l *listing) from() time.Time { return time.Time(l.since) }
func (l *listing) to() time.Time   { return time.Time(l.until) }

// rows says how the items of a list are shown in a table.
type rows[T any] struct {
	columns []string
	row     func(T) []string
}

// list collects a list and prints it, each item as a row of a table.
func list[T any](a *app, cmd *cobra.Command, l *listing, items iter.Seq2[T, error], r rows[T]) error {
	if l.limit < 0 {
		return usage("--limit must not be negative; 0 lists all")
	}
	counter := a.progress(cmd, "read", l.limit)
	found, t := []T{}, newTable(r.columns...)
	for item, err := range items {
		if err != nil {
			return err
		}
		found = append(found, item)
		t.row(r.row(item)...)
		counter.step()
		if len(found) == l.limit {
			break
		}
	}
	counter.end()
	return a.print(cmd, found, t.write)
}

// complete completes ids from a list: the first argument only, quickly or not at all.
func complete[T any](
	a *app, items func(context.Context, *client.Client) iter.Seq2[T, error], show func(T) (id, about string),
) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const most, timeout = 50, 2 * time.Second
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), timeout)
		defer cancel()
		if len(args) > 0 || a.check() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		c, _, err := a.connect(false)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		found, _ := client.Collect(items(ctx, c), most) // an error leaves fewer
		texts := make([]string, len(found))
		for i, item := range found {
			id, about := show(item)
			texts[i] = cobra.CompletionWithDesc(id, safe(about))
		}
		return texts, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) endpointIDs() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.ListedEndpoint, error] {
		return c.ListEndpoints(ctx, client.ListEndpointsParams{Limit: 50})
	}, func(e client.ListedEndpoint) (string, string) { return e.ID, e.URL })
}

func (a *app) deliveryIDs() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Delivery, error] {
		return c.ListDeliveries(ctx, client.ListDeliveriesParams{Limit: 50})
	}, func(d client.Delivery) (string, string) { return d.ID, d.State })
}

func (a *app) jobIDs() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Job, error] {
		return c.ListJobs(ctx, client.ListJobsParams{Limit: 50})
	}, func(j client.Job) (string, string) { return j.ID, j.Kind + " " + j.State })
}

func (a *app) eventTypeNames() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.EventType, error] {
		return c.ListEventTypes(ctx, client.ListEventTypesParams{Limit: 50})
	}, func(e client.EventType) (string, string) { return e.Name, e.Description })
}

func (a *app) eventIDs() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.Event, error] {
		return c.ListEvents(ctx, client.ListEventsParams{Limit: 50})
	}, func(e client.Event) (string, string) { return e.ID, e.Type })
}

func (a *app) rejectedIDs() cobra.CompletionFunc {
	return complete(a, func(ctx context.Context, c *client.Client) iter.Seq2[client.RejectedEvent, error] {
		return c.ListRejectedEvents(ctx, client.ListRejectedEventsParams{Limit: 50})
	}, func(r client.RejectedEvent) (string, string) { return r.ID, r.Reason })
}
