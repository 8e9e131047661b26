package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

// listener is what the flags of listen say.
type listener struct {
	app                           *app
	address, forwardTo, publicURL string
	port, answer                  int
	secrets, types                []string
	secretFile                    string
	register                      bool
}

func listenCommand(a *app) *cobra.Command {
	l := listener{app: a, port: 9000, answer: http.StatusOK}
	cmd := &cobra.Command{
		Use: "listen", Short: "Receive webhooks here, verify their signatures and print them", Args: cobra.NoArgs,
		Long: `Receives webhooks on this machine, verifies the Standard Webhooks signature of each, and prints a line.

With --register it makes an endpoint of its own, and deletes it in the end. With --secret or --secret-file it verifies
with that key (whsec_, whsk_ or whpk_). With --forward-to it passes on what verifies to a URL, as it came, and answers
as that does: so a program that is being written gets real webhooks, and retries when it fails.`,
		Example: `  homing listen --register --types 'order.*'
  homing listen --register --forward-to http://127.0.0.1:3000/hooks
  homing listen --port 9000 --secret-file secret.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&l.address, "address", "127.0.0.1", "the address to listen on")
	f.IntVar(&l.port, "port", l.port, "the port to listen on; 0 takes any that is free")
	f.IntVar(&l.answer, "answer", l.answer, "the status to answer verified POSTs with, to see retries")
	f.StringVar(&l.forwardTo, "forward-to", "", "pass on verified POSTs to this URL, and answer as it does")
	f.StringSliceVar(&l.secrets, "secret", nil, "a key that the POSTs are signed with")
	f.StringVar(&l.secretFile, "secret-file", "", "a file with that key, - for standard input")
	f.BoolVar(&l.register, "register", false, "make an endpoint for this receiver, and delete it in the end")
	f.StringVar(&l.publicURL, "url", "", "with --register: where this receiver is reached from the server (default: the "+
		"address it listens on)")
	f.StringSliceVar(&l.types, "types", nil, "with --register: event types (default: every type)")
	return cmd
}

// check refuses flags that do not go together.
func (l *listener) check() error {
	if l.register == (len(l.secrets) > 0) {
		return usage("either --secret or --secret-file says how the POSTs are signed, or --register makes an endpoint to " +
			"send them")
	}
	if l.port < 0 || l.port > 65535 || l.answer < 200 || l.answer > 599 {
		return usage("--port must be 0 to 65535, and --answer 200 to 599")
	}
	if u, err := url.Parse(l.forwardTo); l.forwardTo != "" && (err != nil || u.Host == "") {
		return usage("--forward-to must be a URL like http://127.0.0.1:3000/hooks")
	}
	return nil
}

// run receives until the command is ended.
func (l *listener) run(cmd *cobra.Command) error {
	if l.secretFile != "" {
		secret, err := readKey(l.secretFile, cmd.InOrStdin())
		if err != nil {
			return usage("--secret-file: there must be one key in it, and nothing else")
		}
		l.secrets = append(l.secrets, secret)
	}
	if err := l.check(); err != nil {
		return err
	}
	r, err := newReceiver(cmd.OutOrStdout(), l.answer, l.secrets...)
	if err != nil {
		return usage("--secret: " + err.Error())
	}
	r.forwardTo = l.forwardTo
	var c *client.Client
	if l.register {
		if c, _, err = l.app.connect(false); err != nil {
			return err
		}
	}
	bound, stop, err := r.serveOn(cmd.Context(), net.JoinHostPort(l.address, strconv.Itoa(l.port)))
	if err != nil {
		return err
	}
	if l.register {
		return errors.Join(l.registered(cmd, c, r, bound), stop())
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "listening on http://%s; Ctrl-C ends it\n", bound)
	<-cmd.Context().Done()
	return stop()
}

// registered makes an endpoint for the receiver, waits for the end, and deletes the endpoint.
func (l *listener) registered(cmd *cobra.Command, c *client.Client, r *receiver, bound net.Addr) error {
	in := client.CreateEndpointInput{URL: l.publicURL, Types: l.types}
	if in.URL == "" {
		in.URL = "http://" + bound.String() + "/"
	}
	made, err := c.CreateEndpoint(cmd.Context(), in)
	if client.IsInvalid(err) {
		return &mended{err: err, text: l.app.say(err) + "\na Homing delivers to its own machine only while it is the " +
			"embedded one and listens on a loopback address (HOMING_LISTEN), or where HOMING_ALLOW_ADDRESSES says so; " +
			"elsewhere, make this receiver reachable and name it with --url"}
	}
	if err != nil {
		return err
	}
	if err := r.trust(made.Secret); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "endpoint %s is %s; Ctrl-C ends and deletes it\n", made.ID, made.URL)
	<-cmd.Context().Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), closeTimeout)
	defer cancel()
	_, err = c.DeleteEndpoint(ctx, made.ID)
	return err
}

// forwardTimeout bounds the passing on of one POST; Homing itself waits 15 s by default.
const forwardTimeout = 15 * time.Second
