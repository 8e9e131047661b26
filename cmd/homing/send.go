package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

// newEvent is what the flags of send say.
type newEvent struct {
	id, source, eventType, subject, data, contentType string
	extensions                                        map[string]string
	count                                             int
}

func sendCommand(a *app) *cobra.Command {
	var n newEvent
	cmd := &cobra.Command{
		Use: "send --type TYPE", Short: "Send an event to a running Homing", Args: cobra.NoArgs,
		Example: `  homing send --type order.paid --data '{"order": 1}'
  homing send --type report.ready --data @report.json --subject eu-1
  generate | homing send --type report.ready --data -`,
		RunE: func(cmd *cobra.Command, _ []string) error { return n.send(cmd, a) },
	}
	f := cmd.Flags()
	f.StringVar(&n.eventType, "type", "", "the event's type (required)")
	f.StringVar(&n.id, "id", "", "the event's id (default: a new one; the same id and source are a duplicate)")
	f.StringVar(&n.source, "source", "/homing/cli", "the event's source")
	f.StringVar(&n.subject, "subject", "", "the event's subject")
	f.StringToStringVar(&n.extensions, "extension", nil, "further attributes, name=value")
	f.StringVar(&n.data, "data", "{}", "the payload, or @FILE, or - for standard input")
	f.StringVar(&n.contentType, "content-type", "application/json", "the payload's content type")
	f.IntVar(&n.count, "count", 1, "send so many events, each with an id of its own")
	must(cmd.MarkFlagRequired("type"))
	return cmd
}

// send sends the events that the flags describe, one after the other.
func (n *newEvent) send(cmd *cobra.Command, a *app) error {
	if n.eventType == "" {
		return usage("--type is empty; name the event's type, such as order.paid")
	}
	if n.count < 1 || (n.count > 1 && n.id != "") {
		return usage("--count must be at least 1, and goes without --id")
	}
	if n.data == "-" && a.keyFile == "-" {
		return usage("--data - and --key-file - cannot both read standard input")
	}
	data, err := contents("--data", n.data, cmd.InOrStdin())
	if err != nil {
		return err
	}
	c, _, err := a.connect(true)
	if err != nil {
		return err
	}
	counter := a.progress(cmd, "sent", n.count)
	for range n.count {
		r, err := n.post(cmd.Context(), c, n.id, data)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("goes to %d endpoint(s)", r.Deliveries)
		if r.Duplicate {
			what = "had been sent before"
		}
		if err := a.print(cmd, r, line("event %s %s", r.ID, what)); err != nil {
			return err
		}
		counter.step()
	}
	counter.end()
	return nil
}

// contents is what the value of a flag names: itself, or with @ a file, or with - standard input.
func contents(flag, value string, in io.Reader) ([]byte, error) {
	if value == "-" {
		return io.ReadAll(in)
	}
	if file, ok := strings.CutPrefix(value, "@"); ok {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil, usage(flag + ": there is no file " + file)
		}
		return data, err
	}
	return []byte(value), nil
}

// post sends one event; "" is a new id.
func (n *newEvent) post(ctx context.Context, c *client.Client, id string, data []byte) (*client.Receipt, error) {
	return c.Send(ctx, client.CloudEvent{
		ID: id, Source: n.source, Type: n.eventType, Subject: n.subject, Time: time.Now(), DataContentType: n.contentType,
		Data: data, Extensions: n.extensions,
	})
}
