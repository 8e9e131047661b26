package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func listenCommand(a *app) *cobra.Command {
	var secrets, types []string
	var address string
	var register bool
	port, answer := 9000, http.StatusOK
	cmd := &cobra.Command{
		Use: "listen", Short: "Receive webhooks here, verify their signatures and print them", Args: cobra.NoArgs,
		Long: `Receives webhooks on this machine, verifies the Standard Webhooks signature of each, and prints a line.

With --secret it verifies with that key (whsec_, whsk_ or whpk_). With --register it makes an endpoint of its own in the
Homing that the settings name, and deletes it in the end.`,
		Example: `  homing listen --register --types 'order.*'
  homing listen --port 9000 --secret whsec_...`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if register == (len(secrets) > 0) {
				return errors.New("either --secret says how the POSTs are signed, or --register makes an endpoint to send them")
			}
			if port < 0 || port > 65535 || answer < 200 || answer > 599 {
				return errors.New("--port must be 0 to 65535, and --answer 200 to 599")
			}
			l := listener{app: a, address: net.JoinHostPort(address, strconv.Itoa(port)), answer: answer, secrets: secrets}
			if register {
				return l.registered(cmd, types)
			}
			return l.run(cmd, secrets)
		},
	}
	f := cmd.Flags()
	f.StringVar(&address, "address", "127.0.0.1", "the address to listen on")
	f.IntVar(&port, "port", port, "the port to listen on; 0 takes any that is free")
	f.IntVar(&answer, "answer", answer, "the status to answer verified POSTs with, to see retries")
	f.StringSliceVar(&secrets, "secret", nil, "a key that the POSTs are signed with")
	f.BoolVar(&register, "register", false, "make an endpoint for this receiver, and delete it in the end")
	f.StringSliceVar(&types, "types", nil, "with --register: event types (default: every type)")
	return cmd
}

// listener is one run of listen.
type listener struct {
	app     *app
	address string
	answer  int
	secrets []string
}

// run receives until the command is ended.
func (l *listener) run(cmd *cobra.Command, keys []string) error {
	r, err := newReceiver(cmd.OutOrStdout(), l.answer, keys...)
	if err != nil {
		return fmt.Errorf("--secret: %w", err)
	}
	bound, stop, err := r.serveOn(cmd.Context(), l.address)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "listening on http://%s; Ctrl-C ends it\n", bound)
	<-cmd.Context().Done()
	return stop()
}

// registered makes an endpoint for this receiver, receives, and deletes the endpoint.
func (l *listener) registered(cmd *cobra.Command, types []string) error {
	a := l.app
	return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
		r, err := newReceiver(cmd.OutOrStdout(), l.answer)
		if err != nil {
			return err
		}
		bound, stop, err := r.serveOn(cmd.Context(), l.address)
		if err != nil {
			return err
		}
		n := newEndpoint{
			url: "http://" + bound.String() + "/", format: string(webhook.FormatBinary), signing: string(webhook.SecretHMAC),
			types: types,
		}
		created, err := n.create(ctx, a, s)
		if err != nil {
			return err
		}
		if err := r.trust(created.Secret); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "endpoint %s is %s; Ctrl-C ends and deletes it\n", created.ID, created.URL)
		<-ctx.Done()
		if err := stop(); err != nil {
			return err
		}
		return s.SetEndpointStatus(context.WithoutCancel(ctx), a.tenant, created.ID, webhook.EndpointDeleted, "by hand")
	})
}
