//go:build e2e

package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// agent is the pod that plays producers and receivers: its types are those of test/knative/agent.
type agent struct {
	base   string // as it is reached from here
	inside string // as Homing reaches it

	mu    sync.Mutex
	posts []post
}

type hook struct {
	Secret string `json:"secret"`
	Fail   int    `json:"fail,omitempty"`
	Hold   string `json:"hold,omitempty"`
}

type post struct {
	Hook    string    `json:"hook"`
	ID      string    `json:"id"`
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	Status  int       `json:"status"`
}

type order struct {
	URL      string            `json:"url"`
	Header   map[string]string `json:"header"`
	Type     string            `json:"type"`
	Prefix   string            `json:"prefix"`
	Count    int               `json:"count"`
	Over     string            `json:"over"`
	Patience string            `json:"patience"`
}

type sent struct {
	Began    time.Time       `json:"began"`
	Ended    time.Time       `json:"ended"`
	LastSent time.Time       `json:"last_sent"`
	Accepted []acceptedEvent `json:"accepted"`
	Refusals map[int]int     `json:"refusals"`
	Missing  []string        `json:"missing"`
}

type acceptedEvent struct {
	ID    string    `json:"id"`
	Sent  time.Time `json:"sent"`
	Taken time.Time `json:"taken"`
}

// direct reaches the agent itself. Sending may take minutes.
var direct = &http.Client{Timeout: 15 * time.Minute}

// call asks the agent something.
func (a *agent) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := direct.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// all returns the POSTs so far.
func (a *agent) all(t testing.TB) []post {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	var more []post
	require.NoError(t, a.call(t.Context(), http.MethodGet, fmt.Sprintf("/posts?from=%d", len(a.posts)), nil, &more))
	a.posts = append(a.posts, more...)
	return slices.Clip(a.posts)
}

// endpoint is an endpoint of Homing and its receiver.
type endpoint struct {
	name string
	id   webhook.ID
}

// subscribe makes an endpoint for a type of events, which answers by script. Empty, the schedule is the deployment's.
func (c *cluster) subscribe(name, eventType string, h hook, schedule ...string) endpoint {
	c.t.Helper()
	made, err := c.operator.CreateEndpoint(c.t.Context(), client.CreateEndpointInput{
		URL: c.agent.inside + "/hooks/" + name, Types: []string{eventType}, Schedule: schedule,
	})
	require.NoError(c.t, err)
	h.Secret = made.Secret
	require.NoError(c.t, c.agent.call(c.t.Context(), http.MethodPut, "/hooks/"+name, h, nil))
	id, err := webhook.ParseID(made.ID)
	require.NoError(c.t, err)
	return endpoint{name, id}
}

// direct sends events to the public face, and comes back when all are accepted.
func (c *cluster) direct(o order) sent {
	c.t.Helper()
	s, err := c.send(c.toFace(o))
	require.NoError(c.t, err)
	return s
}

// brokered sends events to the broker.
func (c *cluster) brokered(o order) sent {
	c.t.Helper()
	s, err := c.send(c.toBroker(o))
	require.NoError(c.t, err)
	return s
}

func (c *cluster) toFace(o order) order {
	o.URL, o.Header = c.ingestURL+"/v1/events", map[string]string{"Authorization": "Bearer " + c.key}
	return o
}

func (c *cluster) toBroker(o order) order {
	o.URL = "http://events-broker-ingress." + namespace + ".svc.cluster.local"
	o.Header = map[string]string{"ce-tenant": c.tenant}
	return o
}

func (c *cluster) send(o order) (s sent, err error) {
	o.Patience = "90s"
	o.Over = cmp.Or(o.Over, "0s")
	err = c.agent.call(c.t.Context(), http.MethodPost, "/send", o, &s)
	if err == nil && len(s.Missing) > 0 {
		err = fmt.Errorf("%d events are not accepted: %v", len(s.Missing), s.Refusals)
	}
	return s, err
}

// underway is events under way while something happens.
type underway struct {
	group errgroup.Group
	mu    sync.Mutex
	sent  []sent
}

// under sends n events to either face, evenly over a time, while something happens; and returns what was accepted.
func (c *cluster) under(n int, over time.Duration, eventType, prefix string, happens func()) []sent {
	c.t.Helper()
	var l underway
	toFace, toBroker := c.toFace(order{Prefix: prefix + "-direct"}), c.toBroker(order{Prefix: prefix + "-brokered"})
	for _, o := range []order{toFace, toBroker} {
		o.Type, o.Count, o.Over = eventType, n, over.String()
		l.group.Go(func() error {
			s, err := c.send(o)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sent = append(l.sent, s)
			return err
		})
	}
	happens()
	require.NoError(c.t, l.group.Wait())
	return l.sent
}
