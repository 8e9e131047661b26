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
	for range n.count {
		id := n.id
		if id == "" {
			id = a.ids.New(time.Now()).String()
		}
		r, err := n.post(ctx, cfg, id, data)
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
func (n *newEvent) post(ctx context.Context, cfg *config.Config, id string, data []byte) (receipt, error) {
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
	base, key, err := reach(cfg)
	if err != nil {
		return receipt{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/events", http.NoBody)
	if err != nil {
		return receipt{}, err
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&e), r); err != nil {
		return receipt{}, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
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

// reach returns where the running Homing is and the API key to show it: those configured, or those of the embedded one.
func reach(cfg *config.Config) (base, key string, err error) {
	base, key = strings.TrimSuffix(cfg.Client.URL.Reveal(), "/"), cfg.Client.APIKey.Reveal()
	if key != "" {
		return base, key, nil
	}
	dir := cfg.DataDirectory()
	if key, err = readFile(dir, fileAPIKey); err != nil {
		return "", "", err
	}
	if key == "" {
		return "", "", fmt.Errorf("no API key: set HOMING_API_KEY (`homing key create` makes one); "+
			"there is none in %s either", dir)
	}
	if address, err := readFile(dir, fileAddress); err == nil && address != "" {
		base = address
	}
	return base, key, nil
}
