package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func endpointCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "endpoint", Short: "Manage the endpoints that webhooks are sent to"}
	cmd.AddCommand(endpointCreate(a), endpointList(a), endpointRotate(a),
		endpointStatus(a, "pause", "Stop sending; events meanwhile are held", webhook.EndpointPaused),
		endpointStatus(a, "resume", "Send again, what was held first", webhook.EndpointActive),
		endpointStatus(a, "delete", "Delete it; what is still to be sent to it is cancelled", webhook.EndpointDeleted),
	)
	return cmd
}

// newEndpoint is what the flags of endpoint create say.
type newEndpoint struct {
	url, filter, format, schedule, signing string
	types, headers                         []string
	timeout                                time.Duration
	rate                                   int
}

func endpointCreate(a *app) *cobra.Command {
	var n newEndpoint
	cmd := &cobra.Command{
		Use:   "create --url URL",
		Short: "Create an endpoint and print its signing secret",
		Example: `  homing endpoint create --url https://example.com/hook
  homing endpoint create --url https://example.com/hook --types 'order.*,invoice.paid' \
    --filter "subject LIKE 'eu-%'" --schedule 0s,10s,1m --format standard`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				created, err := n.create(ctx, a, s)
				if err != nil {
					return err
				}
				return a.print(cmd.OutOrStdout(), created, created.human)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.url, "url", "", "where to POST (required)")
	f.StringSliceVar(&n.types, "types", nil, "event types, * for any run of characters (default: every type)")
	f.StringVar(&n.filter, "filter", "", "CloudEvents SQL expression that an event must satisfy as well")
	f.StringVar(&n.format, "format", string(webhook.FormatBinary), "body: binary, structured or standard")
	f.StringVar(&n.schedule, "schedule", "", "waiting time before each attempt, such as 0s,5s,5m (default: the server's)")
	f.StringVar(&n.signing, "signing", string(webhook.SecretHMAC), "v1 (HMAC-SHA256) or v1a (Ed25519)")
	f.StringSliceVar(&n.headers, "header", nil, "header to send with each POST, Name=value")
	f.DurationVar(&n.timeout, "timeout", 0, "of one whole attempt (default: the server's)")
	f.IntVar(&n.rate, "rate", 0, "attempts per second at most (default: no limit)")
	must(cmd.MarkFlagRequired("url"))
	return cmd
}

// createdEndpoint is what endpoint create prints.
type createdEndpoint struct {
	ID     webhook.ID `json:"id"`
	URL    string     `json:"url"`
	Secret string     `json:"secret"`
	Public string     `json:"public_key,omitempty"`
}

func (c createdEndpoint) human(w io.Writer) error {
	key := "secret   " + c.Secret
	if c.Public != "" {
		key += "\npublic   " + c.Public + "  (give this one to the receiver)"
	}
	_, err := fmt.Fprintf(w, "endpoint %s\nurl      %s\n%s\n", c.ID, c.URL, key)
	return err
}

// create validates and stores the endpoint.
func (n *newEndpoint) create(ctx context.Context, a *app, s store.Directory) (createdEndpoint, error) {
	e, err := n.endpoint(a)
	if err != nil {
		return createdEndpoint{}, err
	}
	secret, err := signature.NewSecret(webhook.SecretKind(n.signing))
	if err != nil {
		return createdEndpoint{}, fmt.Errorf("--signing: %w", err)
	}
	secret.ID, secret.Endpoint = a.ids.New(time.Now()), e.ID
	if err := s.CreateEndpoint(ctx, e, []webhook.Secret{secret}); err != nil {
		return createdEndpoint{}, a.explain(err, "tenant "+a.tenant)
	}
	created := createdEndpoint{ID: e.ID, URL: e.URL}
	if created.Secret, err = signature.Format(secret); err != nil {
		return createdEndpoint{}, err
	}
	if secret.Kind == webhook.SecretEd25519 {
		created.Public, err = signature.PublicKey(secret)
	}
	return created, err
}

// endpoint returns the endpoint that the flags describe. Its errors name the flag.
func (n *newEndpoint) endpoint(a *app) (webhook.Endpoint, error) {
	e := webhook.Endpoint{
		ID: a.ids.New(time.Now()), Tenant: a.tenant, URL: n.url, Types: n.types, Filter: n.filter,
		Format: webhook.BodyFormat(n.format), Timeout: n.timeout, RatePerSecond: n.rate,
	}
	if err := a.checkURL(n.url); err != nil {
		return e, fmt.Errorf("--url: %w", err)
	}
	if err := filter.Validate(n.types, n.filter); err != nil {
		return e, fmt.Errorf("--types or --filter: %w", err)
	}
	if !e.Format.Valid() {
		return e, fmt.Errorf("--format: %q is none of binary, structured, standard", n.format)
	}
	if n.schedule != "" {
		schedule, err := backoff.Parse(n.schedule)
		if err != nil {
			return e, fmt.Errorf("--schedule: %w", err)
		}
		e.Schedule = schedule
	}
	if n.timeout < 0 || n.timeout > maxTimeout || n.rate < 0 {
		return e, fmt.Errorf("--timeout must be 0 to %s, and --rate not negative", maxTimeout)
	}
	for _, h := range n.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return e, fmt.Errorf("--header %q: write it as Name=value", name)
		}
		if e.Headers == nil {
			e.Headers = make(map[string]string)
		}
		e.Headers[name] = value
	}
	if err := dispatch.ValidateHeaders(e.Headers); err != nil {
		return e, fmt.Errorf("--header: %w", err)
	}
	return e, nil
}

// maxTimeout is the longest that one attempt may take.
const maxTimeout = time.Minute

// endpointLine is an endpoint as it is listed.
type endpointLine struct {
	ID     webhook.ID             `json:"id"`
	URL    string                 `json:"url"`
	Types  []string               `json:"types,omitempty"`
	Filter string                 `json:"filter,omitempty"`
	Status webhook.EndpointStatus `json:"status"`
	Reason string                 `json:"reason,omitempty"`
}

func endpointList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tenant's endpoints", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				endpoints, err := s.Endpoints(ctx, a.tenant)
				if err == nil && len(endpoints) == 0 {
					err = a.checkTenant(ctx, s)
				}
				if err != nil {
					return err
				}
				lines := make([]endpointLine, len(endpoints))
				rows := [][]string{{"ID", "STATUS", "URL", "TYPES", "FILTER"}}
				for i, e := range endpoints {
					lines[i] = endpointLine{e.ID, e.URL, e.Types, e.Filter, e.Status, e.StatusReason}
					types := strings.Join(e.Types, ",")
					if types == "" {
						types = "*"
					}
					rows = append(rows, []string{e.ID.String(), string(e.Status), e.URL, types, e.Filter})
				}
				return a.print(cmd.OutOrStdout(), lines, table(rows))
			})
		},
	}
}

func endpointRotate(a *app) *cobra.Command {
	var signing string
	var overlap time.Duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give it a new signing secret; the old ones go on signing for a while",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("overlap") {
				overlap = cfg.Security.SecretOverlap
			}
			id, err := webhook.ParseID(args[0])
			if err != nil || overlap < 0 {
				return fmt.Errorf("%q must be an endpoint's id (`homing endpoint list` shows them), and --overlap not negative",
					args[0])
			}
			secret, err := signature.NewSecret(webhook.SecretKind(signing))
			if err != nil {
				return fmt.Errorf("--signing: %w", err)
			}
			secret.ID, secret.Endpoint = a.ids.New(time.Now()), id
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				if err := s.AddSecret(ctx, a.tenant, secret, overlap); err != nil {
					return a.explain(err, "endpoint "+args[0])
				}
				text, err := signature.Format(secret)
				if err != nil {
					return err
				}
				made := map[string]string{"id": args[0], "secret": text, "old_secrets_until": overlap.String()}
				return a.print(cmd.OutOrStdout(), made, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "secret   %s\nthe old ones sign for another %s\n", text, overlap)
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&signing, "signing", string(webhook.SecretHMAC), "v1 (HMAC-SHA256) or v1a (Ed25519)")
	cmd.Flags().DurationVar(&overlap, "overlap", 0, "how long the old secrets of its kind go on signing (default: "+
		"HOMING_SECRET_OVERLAP)")
	return cmd
}

func endpointStatus(a *app, verb, short string, to webhook.EndpointStatus) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := webhook.ParseID(args[0])
			if err != nil {
				return fmt.Errorf("%q: %w; `homing endpoint list` shows the ids", args[0], err)
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				if err := s.SetEndpointStatus(ctx, a.tenant, id, to, "by hand"); err != nil {
					return a.explain(err, "endpoint "+args[0])
				}
				done := map[string]string{"id": args[0], "status": string(to)}
				return a.print(cmd.OutOrStdout(), done, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "endpoint %s is %s\n", args[0], to)
					return err
				})
			})
		},
	}
}
