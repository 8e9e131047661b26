package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func endpointCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "endpoint", Short: "Manage the endpoints that webhooks are sent to"}
	rotate := secretRotate(a)
	rotate.Hidden = true // its name from before there was `endpoint secret`
	cmd.AddCommand(endpointCreate(a), endpointList(a), endpointGet(a), endpointUpdate(a), endpointDryRun(a),
		endpointHealth(a), endpointTest(a), endpointHandshake(a),
		secretCommand(a), rotate,
		endpointStatus(a, "pause", "Stop sending; events meanwhile are held", (*client.Client).PauseEndpoint),
		endpointResume(a),
		endpointStatus(a, "delete", "Delete it; what is still to be sent to it is cancelled",
			(*client.Client).DeleteEndpoint),
	)
	return cmd
}

// endpointFlags are what can be set of an endpoint.
type endpointFlags struct {
	url, filter, format, signing string
	types, headers, schedule     []string
	timeout                      duration
	rate                         int64
	changed                      func(flag string) bool
}

func (e *endpointFlags) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	e.changed = f.Changed
	f.StringVar(&e.url, "url", "", "where to POST")
	f.StringSliceVar(&e.types, "types", nil, "event types, * for any run of characters (default: every type)")
	f.StringVar(&e.filter, "filter", "", "CloudEvents SQL expression that an event must satisfy as well")
	f.StringVar(&e.format, "format", string(webhook.FormatBinary), "body: binary, structured or standard")
	f.StringSliceVar(&e.schedule, "schedule", nil,
		"waiting time before each attempt, such as 0s,5s,5m (default: the server's)")
	f.StringArrayVar(&e.headers, "header", nil, "header to send with each POST, Name=value; may be given several times")
	f.Var(&e.timeout, "timeout", "of one whole attempt, up to 1m (default: the server's); where it is longer than the "+
		"server's, the answer may also begin so late")
	f.Int64Var(&e.rate, "rate", 0, "attempts per second at most (default: no limit)")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"binary", "structured", "standard"},
		cobra.ShellCompDirectiveNoFileComp)))
}

// update is what the flags that were given say.
func (e *endpointFlags) update() (in client.UpdateEndpointInput, err error) {
	if e.changed("url") {
		in.URL = &e.url
	}
	if e.changed("types") {
		in.Types = append([]string{}, e.types...)
	}
	if e.changed("filter") {
		in.Filter = &e.filter
	}
	if e.changed("format") {
		in.Format = &e.format
	}
	if e.changed("schedule") {
		in.Schedule = append([]string{}, e.schedule...)
	}
	if e.changed("timeout") {
		in.Timeout = new(e.timeout.String()) // "" is the server's
	}
	if e.changed("rate") {
		in.RatePerSecond = &e.rate
	}
	if e.changed("header") {
		in.Headers, err = headerMap(e.headers)
	}
	return in, err
}

// headerMap reads headers. Its errors show none, for they may be credentials.
func headerMap(given []string) (map[string]string, error) {
	headers := make(map[string]string)
	for _, h := range given {
		name, value, ok := strings.Cut(h, "=")
		if !ok && h != "" {
			return nil, usage("--header: write it as Name=value (it is not shown here, for it may be a credential)")
		}
		if _, twice := headers[name]; twice {
			return nil, usage(fmt.Sprintf("--header %s is given twice; write several values as one, separated by commas", name))
		}
		if h != "" {
			headers[name] = value
		}
	}
	return headers, nil
}

func endpointCreate(a *app) *cobra.Command {
	var e endpointFlags
	cmd := &cobra.Command{
		Use: "create --url URL", Aliases: []string{"add"},
		Short: "Create an endpoint and print its signing secret",
		Example: `  homing endpoint create --url https://example.com/hook
  homing endpoint create --url https://example.com/hook --types 'order.*,invoice.paid' \
    --filter "subject LIKE 'eu-%'" --schedule 0s,10s,1m --format standard`,
		Args: cobra.NoArgs,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			made, err := e.create(ctx, c)
			if err != nil {
				return err
			}
			return a.print(cmd, made, func(w io.Writer) error {
				key := "secret   " + made.Secret
				if made.PublicKey != "" {
					key += "\npublic   " + made.PublicKey + "  (give this one to the receiver)"
				}
				_, err := fmt.Fprintf(w, "endpoint %s\nurl      %s\n%s\n", made.ID, made.URL, key)
				return err
			})
		}),
	}
	e.addTo(cmd)
	cmd.Flags().StringVar(&e.signing, "signing", string(webhook.SecretHMAC), "v1 (HMAC-SHA256) or v1a (Ed25519)")
	must(cmd.MarkFlagRequired("url"))
	return cmd
}

// create creates the endpoint that the flags describe.
func (e *endpointFlags) create(ctx context.Context, c *client.Client) (*client.NewEndpoint, error) {
	in, err := e.update()
	if err != nil {
		return nil, err
	}
	create := client.CreateEndpointInput{
		URL: e.url, Types: in.Types, Filter: in.Filter, Format: in.Format, Schedule: in.Schedule, Timeout: in.Timeout,
		RatePerSecond: in.RatePerSecond, Headers: in.Headers,
	}
	if e.signing != "" {
		create.Signing = &e.signing
	}
	return c.CreateEndpoint(ctx, create)
}

func endpointList(a *app) *cobra.Command {
	var l listing
	var status, search string
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenant's endpoints, oldest first, with how they do", Args: cobra.NoArgs,
		Example: "  homing endpoint list --status disabled -o json",
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			all := c.ListEndpoints(ctx, client.ListEndpointsParams{Status: status, Search: search, Limit: l.page()})
			columns := []string{"ID", "STATE", "SUCCESS", "LAST FAILURE", "URL", "TYPES", "FILTER"}
			return list(a, cmd, &l, all, rows[client.ListedEndpoint]{columns, func(e client.ListedEndpoint) []string {
				return []string{
					e.ID, stateOf(e.Health.State, safe(e.StatusReason)), rateOf(e.Health.SuccessRate),
					failureOf(e.Health.LastFailure), safe(e.URL), typesOf(e.Types), safe(e.Filter),
				}
			}})
		}),
	}
	l.addTo(cmd, false)
	cmd.Flags().Lookup("limit").DefValue = "0"
	l.limit = 0
	cmd.Flags().StringVar(&status, "status", "", "only those with this status: active, paused, disabled")
	cmd.Flags().StringVar(&search, "search", "", "only those whose URL has this in it")
	return cmd
}

// failureOf says when an endpoint failed last, and how.
func failureOf(f *client.FailedDetail) string {
	if f == nil {
		return "-"
	}
	return clockTime(f.At) + " " + f.Outcome
}

func typesOf(types []string) string {
	if len(types) == 0 {
		return "*"
	}
	return safe(strings.Join(types, ","))
}

func (a *app) printEndpoint(cmd *cobra.Command, e *client.Endpoint) error {
	t := newTable()
	timeout, schedule, rate, consent := "the server's", "the server's", "no limit", ""
	if e.Consent != nil {
		consent = strings.TrimSpace(consentOf(e.Consent))
	}
	if e.Timeout != "" {
		timeout = e.Timeout
	}
	if len(e.Schedule) > 0 {
		schedule = strings.Join(e.Schedule, ", ")
	}
	if e.RatePerSecond > 0 {
		rate = strconv.FormatInt(e.RatePerSecond, 10) + " per second"
	}
	for _, row := range [][2]string{
		{"endpoint", e.ID}, {"url", safe(e.URL)}, {"status", e.Status}, {"why", safe(e.StatusReason)},
		{"types", typesOf(e.Types)}, {"filter", safe(e.Filter)}, {"format", e.Format},
		{"headers", safe(strings.Join(e.HeaderNames, ", "))}, {"schedule", schedule}, {"timeout", timeout}, {"rate", rate},
		{"consents", consent}, {"paused", clockTime(e.PausedAt)}, {"throttled until", clockTime(e.ThrottledUntil)},
		{"created", clockTime(e.CreatedAt)}, {"version", strconv.FormatInt(e.Version, 10)},
	} {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	return a.print(cmd, e, t.write)
}

func endpointGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show an endpoint", Args: oneID("endpoint"),
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			e, err := c.GetEndpoint(ctx, args[0])
			if err != nil {
				return err
			}
			return a.printEndpoint(cmd, e)
		}),
	}
}

// ifVersion adds --if-version to a command that changes an endpoint.
func ifVersion(cmd *cobra.Command) func() []client.CallOption {
	version := cmd.Flags().Int64("if-version", 0, "change it only while it has this version (default: any)")
	return func() []client.CallOption {
		if *version == 0 {
			return nil
		}
		return []client.CallOption{client.IfMatch(`"` + strconv.FormatInt(*version, 10) + `"`)}
	}
}

func endpointUpdate(a *app) *cobra.Command {
	var e endpointFlags
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change an endpoint; what is not named stays as it is", Args: oneID("endpoint"),
		Example: `  homing endpoint update 0199... --types 'order.*' --filter ''
  homing endpoint update 0199... --url https://example.com/v2 --if-version 3`,
		ValidArgsFunction: a.endpointIDs(),
	}
	e.addTo(cmd)
	options := ifVersion(cmd)
	cmd.RunE = a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		in, err := e.update()
		if err != nil {
			return err
		}
		changed, err := c.UpdateEndpoint(ctx, args[0], in, options()...)
		if err != nil {
			return err
		}
		return a.printEndpoint(cmd, changed)
	})
	return cmd
}

// changing is a method of the client that moves an endpoint to a status.
type changing func(*client.Client, context.Context, string, ...client.CallOption) (*client.Endpoint, error)

func endpointStatus(a *app, verb, short string, change changing) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " ID", Short: short, Args: oneID("endpoint"), ValidArgsFunction: a.endpointIDs(),
	}
	options := ifVersion(cmd)
	cmd.RunE = a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		e, err := change(c, ctx, args[0], options()...)
		if err != nil {
			return err
		}
		return a.print(cmd, e, line("endpoint %s is %s", e.ID, e.Status))
	})
	return cmd
}

func endpointResume(a *app) *cobra.Command {
	held := "release"
	cmd := &cobra.Command{
		Use: "resume ID", Short: "Send again; also to one that was disabled", Args: oneID("endpoint"),
		ValidArgsFunction: a.endpointIDs(),
		Example: `  homing endpoint resume 0199...
  homing endpoint resume 0199... --held drop`,
	}
	cmd.Flags().StringVar(&held, "held", held, "what becomes of what was held: release sends it, drop cancels it")
	must(cmd.RegisterFlagCompletionFunc("held", cobra.FixedCompletions([]string{"release", "drop"},
		cobra.ShellCompDirectiveNoFileComp)))
	options := ifVersion(cmd)
	cmd.RunE = a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		e, err := c.ResumeEndpoint(ctx, args[0], client.ResumeEndpointInput{Held: &held}, options()...)
		if err != nil {
			return err
		}
		if e.Job != nil {
			return a.print(cmd, e, line("endpoint %s will be active when job %s has dropped what was held", e.ID, e.Job.ID))
		}
		return a.print(cmd, e, line("endpoint %s is %s", e.ID, e.Status))
	})
	return cmd
}

func endpointDryRun(a *app) *cobra.Command {
	var types []string
	var filter string
	last := int64(100)
	cmd := &cobra.Command{
		Use: "dry-run [ID]", Short: "Show which of the last events types and a filter would have matched",
		Long: `Tries types and a filter, or those of an endpoint, on the events that came last. Nothing is sent or changed.`,
		Example: `  homing endpoint dry-run --types 'order.*' --filter "subject LIKE 'eu-%'" --last 500
  homing endpoint dry-run 0199...`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.endpointIDs(),
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			in := client.DryRunInput{Types: types, Filter: &filter, Last: &last}
			if len(args) > 0 {
				e, err := c.GetEndpoint(ctx, args[0])
				if err != nil {
					return err
				}
				in.Types, in.Filter = e.Types, &e.Filter
			}
			run, err := c.DryRun(ctx, in)
			if err != nil {
				return err
			}
			return a.print(cmd, run, func(w io.Writer) error {
				t := newTable("EVENT", "TYPE", "SUBJECT", "ACCEPTED")
				for _, e := range run.Matched {
					t.row(e.ID, safe(e.Type), safe(e.Subject), clockTime(e.AcceptedAt))
				}
				fmt.Fprintf(w, "%d of the last %d events match; the filter says nothing about %d\n", len(run.Matched),
					run.Examined, len(run.Failed))
				return t.write(w)
			})
		}),
	}
	cmd.Flags().StringSliceVar(&types, "types", nil, "event types, * for any run of characters (default: every type)")
	cmd.Flags().StringVar(&filter, "filter", "", "CloudEvents SQL expression that an event must satisfy as well")
	cmd.Flags().Int64Var(&last, "last", last, "how many of the last events to look at, up to 1000")
	return cmd
}

func secretCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "secret", Short: "Look at an endpoint's signing secrets, and rotate them"}
	cmd.AddCommand(secretList(a), secretRotate(a))
	return cmd
}

func secretList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list ID", Short: "Show the secrets that sign at present, newest first", Args: oneID("endpoint"),
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			secrets, err := c.ListSecrets(ctx, args[0])
			if err != nil {
				return err
			}
			t := newTable("ID", "KIND", "CREATED", "SIGNS UNTIL", "SECRET", "PUBLIC KEY")
			for _, s := range secrets.Data {
				until := "the next rotation"
				if !s.ExpiresAt.IsZero() {
					until = clockTime(s.ExpiresAt)
				}
				t.row(s.ID, s.Kind, clockTime(s.CreatedAt), until, s.Secret, s.PublicKey)
			}
			return a.print(cmd, secrets.Data, t.write)
		}),
	}
}

func secretRotate(a *app) *cobra.Command {
	var signing string
	var overlap duration
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Give it a new signing secret; the old ones go on signing for a while",
		Example: "  homing endpoint secret rotate 0199... --overlap 24h", Args: oneID("endpoint"),
		ValidArgsFunction: a.endpointIDs(),
		RunE: a.about("endpoint", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			in := client.Rotation{Kind: &signing}
			until := "for as long as the server says (`homing endpoint secret list` shows it)"
			if cmd.Flags().Changed("overlap") {
				in.Overlap = new(time.Duration(overlap).String())
				until = "for another " + *in.Overlap
			}
			s, err := c.RotateSecret(ctx, args[0], in)
			if err != nil {
				return err
			}
			return a.print(cmd, s, func(w io.Writer) error {
				if s.PublicKey != "" {
					fmt.Fprintf(w, "public   %s  (give this one to the receiver)\n", s.PublicKey)
				}
				_, err := fmt.Fprintf(w, "secret   %s\nthe old ones sign %s\n", s.Secret, until)
				return err
			})
		}),
	}
	cmd.Flags().StringVar(&signing, "signing", string(webhook.SecretHMAC), "v1 (HMAC-SHA256) or v1a (Ed25519)")
	cmd.Flags().Var(&overlap, "overlap", "how long the old secrets of its kind go on signing (default: the server's)")
	return cmd
}
