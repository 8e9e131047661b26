package client

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client calls one Homing with one API key. It is safe for concurrent use.
type Client struct {
	server  *url.URL
	key     string
	tenant  string
	agent   string
	http    *http.Client
	retries int
	longest time.Duration
}

// Defaults of the options.
const (
	// DefaultRetries is how often a call is made again at most.
	DefaultRetries = 3
	// DefaultLongestWait is how long a call waits at most before it is made again.
	DefaultLongestWait = 30 * time.Second
	// DefaultTimeout bounds one request, its answer included.
	DefaultTimeout = 30 * time.Second
)

// Option changes a Client.
type Option func(*Client)

// WithTenant names the tenant that an operator's key acts for (the header Homing-Tenant). A tenant's own key needs
// none. Default: none.
func WithTenant(id string) Option { return func(c *Client) { c.tenant = id } }

// WithHTTPClient uses another HTTP client, for its transport, timeout and cookies; redirects are still not followed.
// Default: one with [DefaultTimeout].
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithRetries says how often a call is made again at most (0: never), and how long it waits at most before that. When
// the server asks for longer, its answer is the call's error at once. Defaults: [DefaultRetries], [DefaultLongestWait].
func WithRetries(most int, longest time.Duration) Option {
	return func(c *Client) { c.retries, c.longest = most, longest }
}

// WithUserAgent names the program. Default: "homing-client".
func WithUserAgent(name string) Option { return func(c *Client) { c.agent = name } }

// New makes a Client of the Homing at a base URL such as "https://homing.example.com", with an API key. An empty key
// sends none. It makes no request. Errors: a URL that is not one of http or https.
func New(server, key string, options ...Option) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(server, "/"))
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("client: the server must be a URL like https://homing.example.com")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: the server's URL must have no user, query or fragment")
	}
	c := &Client{
		server: u, key: key, agent: "homing-client", http: &http.Client{Timeout: DefaultTimeout},
		retries: DefaultRetries, longest: DefaultLongestWait,
	}
	for _, option := range options {
		option(c)
	}
	own := *c.http
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return c, nil
}

// Server is the base URL of the Homing that the client calls.
func (c *Client) Server() string { return c.server.String() }

// CallOption changes one call.
type CallOption func(*call)

// call is what the options of a call say.
type call struct {
	tenant, ifMatch, idempotencyKey string
	etag                            *string
}

// ForTenant makes one call for another tenant than the client's: see [WithTenant].
func ForTenant(id string) CallOption { return func(c *call) { c.tenant = id } }

// IfMatch makes a change on one version only: the ETag that [StoreETag] kept. When the thing has another version by
// now, the error is a [Problem] of [KindPrecondition].
func IfMatch(etag string) CallOption { return func(c *call) { c.ifMatch = etag } }

// StoreETag keeps the version of what is answered, for [IfMatch].
func StoreETag(to *string) CallOption { return func(c *call) { c.etag = to } }

// IdempotencyKey names a create, so that it is done once also when the program is started again and repeats it within
// 24 hours. Default: a new random one per call, which covers the call's own retries.
func IdempotencyKey(key string) CallOption { return func(c *call) { c.idempotencyKey = key } }
