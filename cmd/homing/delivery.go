package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func deliveryCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "delivery", Short: "Look at deliveries, and retry them"}
	cmd.AddCommand(deliveryList(a), deliveryShow(a), deliveryRetry(a))
	return cmd
}

// deliveryLine is a delivery as it is listed.
type deliveryLine struct {
	ID       webhook.ID     `json:"id"`
	Event    webhook.ID     `json:"event"`
	Endpoint webhook.ID     `json:"endpoint"`
	State    webhook.State  `json:"state"`
	Reason   webhook.Reason `json:"reason,omitempty"`
	Attempts int            `json:"attempts"`
	DueAt    time.Time      `json:"due_at"`
	ReplayOf *webhook.ID    `json:"replay_of,omitempty"`
}

func lineOf(d *webhook.Delivery) deliveryLine {
	l := deliveryLine{
		ID: d.ID, Event: d.Event, Endpoint: d.Endpoint, State: d.State, Reason: d.Reason, Attempts: d.Attempt, DueAt: d.DueAt,
	}
	if !d.ReplayOf.IsZero() {
		l.ReplayOf = &d.ReplayOf
	}
	return l
}

func deliveryList(a *app) *cobra.Command {
	var endpoint, state, before string
	limit := 20
	states := listed(webhook.States)
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's deliveries, newest first", Args: cobra.NoArgs,
		Example: "  homing delivery list --state exhausted --limit 100",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := store.DeliveryQuery{Tenant: a.tenant, State: webhook.State(state), Limit: limit}
			if state != "" && !slices.Contains(webhook.States, q.State) {
				return fmt.Errorf("--state %q is none of %s", state, states)
			}
			if limit < 1 || limit > 1000 {
				return errors.New("--limit must be 1 to 1000")
			}
			for _, f := range []struct {
				name, text string
				to         *webhook.ID
			}{{"endpoint", endpoint, &q.Endpoint}, {"before", before, &q.Before}} {
				if f.text == "" {
					continue
				}
				id, err := webhook.ParseID(f.text)
				if err != nil {
					return fmt.Errorf("--%s %q: %w", f.name, f.text, err)
				}
				*f.to = id
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				return listDeliveries(ctx, a, s, q, cmd.OutOrStdout())
			})
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only those to this endpoint")
	cmd.Flags().StringVar(&state, "state", "",
		"only those in this state: "+states)
	cmd.Flags().StringVar(&before, "before", "", "only those older than this delivery: the next page")
	cmd.Flags().IntVar(&limit, "limit", limit, "how many at most")
	return cmd
}

func listDeliveries(ctx context.Context, a *app, s store.Store, q store.DeliveryQuery, w io.Writer) error {
	deliveries, err := s.Deliveries(ctx, q)
	if err == nil && len(deliveries) == 0 {
		err = a.checkTenant(ctx, s)
	}
	if err != nil {
		return err
	}
	lines := make([]deliveryLine, len(deliveries))
	rows := [][]string{{"ID", "STATE", "ATTEMPTS", "MADE", "DUE", "ENDPOINT"}}
	for i := range deliveries {
		d := &deliveries[i]
		lines[i] = lineOf(d)
		state, due := string(d.State), ""
		if d.Reason != webhook.ReasonNone {
			state += " (" + string(d.Reason) + ")"
		}
		if d.State == webhook.StateScheduled {
			due = clockTime(d.DueAt)
		}
		rows = append(rows, []string{
			d.ID.String(), state, strconv.Itoa(d.Attempt), clockTime(d.ID.Time()), due, d.Endpoint.String(),
		})
	}
	return a.print(w, lines, table(rows))
}

// attemptLine is an attempt as it is shown.
type attemptLine struct {
	Number    int               `json:"number"`
	StartedAt time.Time         `json:"started_at"`
	Outcome   webhook.Outcome   `json:"outcome"`
	Status    int               `json:"status,omitempty"`
	TotalMS   float64           `json:"total_ms"`
	Detail    string            `json:"detail,omitempty"`
	Headers   map[string]string `json:"response_headers,omitempty"`
	Body      string            `json:"response_body,omitempty"`
}

// deliveryDetail is a delivery with its event and attempts, as it is shown.
type deliveryDetail struct {
	deliveryLine
	Source   string        `json:"source"`
	EventID  string        `json:"event_id"`
	Type     string        `json:"type"`
	Subject  string        `json:"subject,omitempty"`
	Bytes    int           `json:"bytes"`
	Attempts []attemptLine `json:"attempt_records"`
}

func deliveryShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a delivery with every attempt", Args: oneID("delivery"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := idOf("delivery", args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				view, err := s.Delivery(ctx, a.tenant, id)
				if err != nil {
					return a.explain(err, "delivery "+args[0])
				}
				detail := detailOf(&view)
				return a.print(cmd.OutOrStdout(), detail, detail.human)
			})
		},
	}
}

func detailOf(v *store.DeliveryView) deliveryDetail {
	d := deliveryDetail{
		deliveryLine: lineOf(&v.Delivery), Source: v.Event.Source, EventID: v.Event.CEID, Type: v.Event.Type,
		Subject: v.Event.Subject, Bytes: len(v.Event.Data), Attempts: make([]attemptLine, len(v.Attempts)),
	}
	for i := range v.Attempts {
		at := &v.Attempts[i]
		d.Attempts[i] = attemptLine{
			Number: at.Number, StartedAt: at.StartedAt, Outcome: at.Outcome, Status: at.Status,
			TotalMS: float64(at.Latency.Total.Microseconds()) / 1000, Detail: at.Detail, Headers: at.ResponseHeaders,
			Body: string(at.ResponseBody),
		}
	}
	return d
}

func (d deliveryDetail) human(w io.Writer) error {
	rows := [][]string{
		{"delivery", d.ID.String()},
		{"state", string(d.State) + " " + string(d.Reason)},
		{"endpoint", d.Endpoint.String()},
		{"event", d.Event.String()},
		{"source, id", d.Source + ", " + d.EventID},
		{"type", d.Type},
		{"payload", strconv.Itoa(d.Bytes) + " bytes"},
	}
	if d.ReplayOf != nil {
		rows = append(rows, []string{"replay of", d.ReplayOf.String()})
	}
	if d.State == webhook.StateScheduled {
		rows = append(rows, []string{"due", clockTime(d.DueAt)})
	}
	if err := table(rows)(w); err != nil || len(d.Attempts) == 0 {
		return err
	}
	rows = [][]string{{"", "", "", "", "", ""}, {"ATTEMPT", "STARTED", "OUTCOME", "STATUS", "TOOK", "DETAIL"}}
	for _, at := range d.Attempts {
		status := ""
		if at.Status != 0 {
			status = strconv.Itoa(at.Status)
		}
		rows = append(rows, []string{
			strconv.Itoa(at.Number), clockTime(at.StartedAt), string(at.Outcome), status,
			fmt.Sprintf("%.1f ms", at.TotalMS), at.Detail,
		})
	}
	return table(rows)(w)
}

func deliveryRetry(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "retry ID", Short: "Attempt a delivery now; one that has ended is replayed as a new delivery",
		Args: oneID("delivery"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := idOf("delivery", args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				due, err := s.RetryNow(ctx, a.tenant, id, &a.ids)
				if err != nil {
					return whyNoRetry(ctx, a, s, id, err)
				}
				when, err := goesOut(ctx, a, s, due.Endpoint)
				if err != nil {
					return err
				}
				made := map[string]string{"id": due.Delivery.String()}
				return a.print(cmd.OutOrStdout(), made, func(w io.Writer) error {
					what := "is due now"
					if due.Delivery != id {
						what = "is replayed as " + due.Delivery.String()
					}
					_, err := fmt.Fprintf(w, "delivery %s %s: %s\n", id, what, when)
					return err
				})
			})
		},
	}
}

// goesOut says when a delivery that is due goes out: what holds it, if something does, is its endpoint.
func goesOut(ctx context.Context, a *app, s store.Store, endpoint webhook.ID) (string, error) {
	e, err := s.Endpoint(ctx, a.tenant, endpoint)
	if err != nil {
		return "", err
	}
	now, err := s.Now(ctx)
	switch {
	case err != nil:
		return "", err
	case e.Status != webhook.EndpointActive:
		return fmt.Sprintf("it is held while its endpoint is %s (%s); `homing endpoint resume %s` lets it go", e.Status,
			e.StatusReason, e.ID), nil
	case !e.Open(now):
		return fmt.Sprintf("it is held, for its endpoint has asked to wait until %s", clockTime(e.ThrottledUntil)), nil
	default:
		return "it goes out with the server's next tick", nil
	}
}

// whyNoRetry says why a delivery could not be made due.
func whyNoRetry(ctx context.Context, a *app, s store.Store, id webhook.ID, err error) error {
	if !errors.Is(err, store.ErrConflict) {
		return a.explain(err, "delivery "+id.String())
	}
	view, viewErr := s.Delivery(ctx, a.tenant, id)
	if viewErr == nil && view.Delivery.State == webhook.StateAttempting {
		return fmt.Errorf("delivery %s is being attempted just now: `homing delivery show %s` tells how it went", id, id)
	}
	return fmt.Errorf("delivery %s cannot be sent again: its endpoint was deleted", id)
}

// listed names the words that a flag can have.
func listed[T ~string](words []T) string {
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = string(w)
	}
	return strings.Join(texts, ", ")
}
