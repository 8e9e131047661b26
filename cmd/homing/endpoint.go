package main

import (
	"context"
	"errors"
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
	timeout                                duration
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
	f.StringArrayVar(&n.headers, "header", nil, "header to send with each POST, Name=value; may be given several times")
	f.Var(&n.timeout, "timeout", "of one whole attempt, up to "+maxTimeout.String()+" (default: the server's); "+
		"where it is longer than the server's, the answer may also begin so late")
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
	secret, err := newSecret(a, n.signing, e.ID)
	if err != nil {
		return createdEndpoint{}, err
	}
	err = s.CreateEndpoint(ctx, e, []webhook.Secret{secret})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return createdEndpoint{}, fmt.Errorf("there is no tenant %q; `homing key create --tenant %[1]s` makes it",
			a.tenant)
	case err != nil:
		return createdEndpoint{}, a.explain(err, "endpoint")
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

// newSecret makes a signing secret of the kind that --signing names.
func newSecret(a *app, kind string, endpoint webhook.ID) (webhook.Secret, error) {
	secret, err := signature.NewSecret(webhook.SecretKind(kind))
	if err != nil {
		return secret, fmt.Errorf("--signing %q is neither v1 nor v1a", kind)
	}
	secret.ID, secret.Endpoint = a.ids.New(time.Now()), endpoint
	return secret, nil
}

// endpoint returns the endpoint that the flags describe. Its errors name the flag.
func (n *newEndpoint) endpoint(a *app) (webhook.Endpoint, error) {
	e := webhook.Endpoint{
		ID: a.ids.New(time.Now()), Tenant: a.tenant, URL: n.url, Types: n.types, Filter: n.filter,
		Format: webhook.BodyFormat(n.format), Timeout: time.Duration(n.timeout), RatePerSecond: n.rate,
	}
	err := a.checkURL(n.url)
	if err != nil {
		return e, wrongFlag("--url", err)
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
	if e.Timeout > maxTimeout {
		return e, fmt.Errorf("--timeout is %s; it may be %s at most", e.Timeout, maxTimeout)
	}
	if n.rate < 0 {
		return e, fmt.Errorf("--rate is %d; it must not be negative", n.rate)
	}
	if e.Headers, err = n.headerMap(); err != nil {
		return e, err
	}
	return e, nil
}

// headerMap reads the headers. Its errors show none, for they may be credentials.
func (n *newEndpoint) headerMap() (map[string]string, error) {
	headers := make(map[string]string)
	for _, h := range n.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, errors.New("--header: write it as Name=value (it is not shown here, for it may be a credential)")
		}
		if _, twice := headers[name]; twice {
			return nil, fmt.Errorf("--header %s is given twice; write several values as one, separated by commas", name)
		}
		headers[name] = value
	}
	if err := dispatch.ValidateHeaders(headers); err != nil {
		return nil, wrongFlag("--header", err)
	}
	return headers, nil
}

// wrongFlag says what is wrong with the value of a flag, in place of the field's own name.
func wrongFlag(flag string, err error) error {
	if field, ok := errors.AsType[*dispatch.FieldError](err); ok {
		_, name, _ := strings.Cut(field.Field, ".")
		return errors.New(strings.TrimRight(flag+" "+name, " ") + ": " + field.Problem)
	}
	return fmt.Errorf("%s: %w", flag, err)
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
	var overlap duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give it a new signing secret; the old ones go on signing for a while",
		Args: oneID("endpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("overlap") {
				overlap = duration(cfg.Security.SecretOverlap)
			}
			id, err := idOf("endpoint", args[0])
			if err != nil {
				return err
			}
			secret, err := newSecret(a, signing, id)
			if err != nil {
				return err
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				if err := s.AddSecret(ctx, a.tenant, secret, time.Duration(overlap)); err != nil {
					return a.explain(err, "endpoint "+args[0])
				}
				text, err := signature.Format(secret)
				if err != nil {
					return err
				}
				made := map[string]string{"id": args[0], "secret": text, "old_secrets_until": time.Duration(overlap).String()}
				return a.print(cmd.OutOrStdout(), made, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "secret   %s\nthe old ones sign for another %s\n", text, time.Duration(overlap))
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&signing, "signing", string(webhook.SecretHMAC), "v1 (HMAC-SHA256) or v1a (Ed25519)")
	cmd.Flags().Var(&overlap, "overlap", "how long the old secrets of its kind go on signing (default: "+
		"HOMING_SECRET_OVERLAP)")
	return cmd
}

func endpointStatus(a *app, verb, short string, to webhook.EndpointStatus) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: oneID("endpoint"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := idOf("endpoint", args[0])
			if err != nil {
				return err
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
