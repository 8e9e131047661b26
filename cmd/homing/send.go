package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/server"
)

// newEvent is what the flags of send say.
type newEvent struct {
	id, source, eventType, subject, data, contentType string
	count                                             int
}

func sendCommand(a *app) *cobra.Command {
	var n newEvent
	cmd := &cobra.Command{
		Use: "send --type TYPE", Short: "Send an event to a running Homing", Args: cobra.NoArgs,
		Example: `  homing send --type order.paid --data '{"order": 1}'
  homing send --type report.ready --data @report.json --subject eu-1
  generate | homing send --type report.ready --data -`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			return n.send(cmd.Context(), a, cfg, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.eventType, "type", "", "the event's type (required)")
	f.StringVar(&n.id, "id", "", "the event's id (default: a new one; the same id and source are a duplicate)")
	f.StringVar(&n.source, "source", "/homing/cli", "the event's source")
	f.StringVar(&n.subject, "subject", "", "the event's subject")
	f.StringVar(&n.data, "data", "{}", "the payload, or @FILE, or - for standard input")
	f.StringVar(&n.contentType, "content-type", "application/json", "the payload's content type")
	f.IntVar(&n.count, "count", 1, "send so many events, each with an id of its own")
	must(cmd.MarkFlagRequired("type"))
	return cmd
}

// receipt is the answer for one event.
type receipt struct {
	ID         string `json:"id"`
	Duplicate  bool   `json:"duplicate"`
	Deliveries int    `json:"deliveries"`
}

// send sends the events that the flags describe, one after the other.
func (n *newEvent) send(ctx context.Context, a *app, cfg *config.Config, in io.Reader, out io.Writer) error {
	data, err := n.payload(in)
	if err != nil {
		return err
	}
	if n.count < 1 || (n.count > 1 && n.id != "") {
		return errors.New("--count must be at least 1, and goes without --id")
	}
	to, err := reach(cfg)
	if err != nil {
		return err
	}
	if n.eventType == "" {
		return errors.New("--type is empty; name the event's type, such as order.paid")
	}
	for range n.count {
		id := n.id
		if id == "" {
			id = a.ids.New(time.Now()).String()
		}
		r, err := n.post(ctx, to, id, data)
		if err != nil {
			return err
		}
		err = a.print(out, r, func(w io.Writer) error {
			what := fmt.Sprintf("goes to %d endpoint(s)", r.Deliveries)
			if r.Duplicate {
				what = "had been sent before"
			}
			_, err := fmt.Fprintf(w, "event %s %s\n", r.ID, what)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// payload reads what --data names.
func (n *newEvent) payload(in io.Reader) ([]byte, error) {
	if n.data == "-" {
		return io.ReadAll(in)
	}
	if file, ok := strings.CutPrefix(n.data, "@"); ok {
		return os.ReadFile(file)
	}
	return []byte(n.data), nil
}

// post sends one event and returns its receipt.
func (n *newEvent) post(ctx context.Context, to target, id string, data []byte) (receipt, error) {
	e := event.New()
	e.SetID(id)
	e.SetSource(n.source)
	e.SetType(n.eventType)
	if n.subject != "" {
		e.SetSubject(n.subject)
	}
	e.SetTime(time.Now())
	if err := e.SetData(n.contentType, data); err != nil {
		return receipt{}, err
	}
	if err := e.Validate(); err != nil {
		return receipt{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.base+"/v1/events", http.NoBody)
	if err != nil {
		return receipt{}, err
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&e), r); err != nil {
		return receipt{}, err
	}
	r.Header.Set("Authorization", "Bearer "+to.key)
	return answerOf(r)
}

// answerOf makes a request and reads its receipt.
func answerOf(r *http.Request) (receipt, error) {
	client := &http.Client{Timeout: 30 * time.Second}
	res, err := client.Do(r)
	if err != nil {
		return receipt{}, fmt.Errorf("no Homing answers at %s: %w\nstart one with `homing serve`, or set HOMING_URL",
			r.URL.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		return receipt{}, server.ReadError(res)
	}
	var got receipt
	return got, json.NewDecoder(res.Body).Decode(&got)
}

// target is a running Homing and the API key to show it. The key of an embedded Homing goes to that Homing only.
type target struct{ base, key string }

// reach returns the Homing that the settings name, or else the embedded one.
func reach(cfg *config.Config) (target, error) {
	to := target{strings.TrimSuffix(cfg.Client.URL.Reveal(), "/"), cfg.Client.APIKey.Reveal()}
	elsewhere := cfg.IsSet("HOMING_URL") || cfg.Mode() != config.ModeEmbedded
	if elsewhere && to.key == "" {
		return to, errors.New("HOMING_API_KEY is not set: `homing key create` makes a key (that of an embedded Homing is " +
			"used only without HOMING_URL and DATABASE_URL)")
	}
	if elsewhere {
		return to, nil
	}
	embedded, err := reachEmbedded(cfg)
	if to.key == "" {
		return embedded, err
	}
	if err == nil { // with another tenant's key, say
		to.base = embedded.base
	}
	return to, nil
}

// reachEmbedded returns the embedded Homing that runs in the data directory.
func reachEmbedded(cfg *config.Config) (target, error) {
	dir := cfg.DataDirectory()
	if dir == "" {
		return target{}, errNoDataDirectory
	}
	base, err := readFile(dir, fileAddress)
	if err != nil {
		return target{}, err
	}
	key, err := readFile(dir, fileAPIKey)
	if err == nil && (base == "" || key == "") {
		err = fmt.Errorf("no Homing runs in %s: start one with `homing serve`, or set HOMING_URL and HOMING_API_KEY", dir)
	}
	return target{base, key}, err
}
