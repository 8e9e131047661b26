package redis

import (
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Defaults of [Options].
const (
	PrefixDefault   = "homing:"
	TimeoutDefault  = 100 * time.Millisecond
	PoolSizeDefault = 8
)

// ErrBadURL says that a text is not the URL of a Redis. It does not quote the text, which may hold a password.
var ErrBadURL = errors.New("redis gate: not a redis://, rediss:// or unix:// URL")

// Options are the settings of [Open] and [New]. The zero value is ready for use.
type Options struct {
	// Prefix begins every key, so that several deployments can share a Redis. Defaults to "homing:".
	Prefix string
	// Timeout bounds each call, a connect included: sends wait for it. Defaults to 100 ms.
	Timeout time.Duration
	// PoolSize is how many connections there may be; what finds none free waits, within Timeout. [New] ignores it.
	// Defaults to 8.
	PoolSize int
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = PrefixDefault
	}
	if o.Timeout <= 0 {
		o.Timeout = TimeoutDefault
	}
	if o.PoolSize <= 0 {
		o.PoolSize = PoolSizeDefault
	}
	return o
}

// Open returns the gate in the Redis at a URL (https://www.iana.org/assignments/uri-schemes/prov/redis, rediss for
// TLS). It does not connect: that happens with the first call, so that a process can start while Redis is away.
// Errors: [ErrBadURL].
func Open(url string, o Options) (*Gate, error) {
	o = o.withDefaults()
	c, err := goredis.ParseURL(url)
	if err != nil {
		return nil, ErrBadURL
	}
	c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = dialTimeout, o.Timeout, o.Timeout, o.Timeout
	c.ContextTimeoutEnabled = true
	c.DialerRetries = 1
	c.MaxRetries = -1 // a take that did reach Redis must not count twice
	c.PoolSize, c.MaxActiveConns = o.PoolSize, o.PoolSize
	c.PipelinePoolSize = -1 // no second pool: everything here is a pipeline
	// Nothing beyond AUTH before the first command: a process often lives for seconds only.
	c.DisableIdentity = true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return New(goredis.NewClient(c), o), nil
}

// dialTimeout bounds a connect, which goes on when the call that began it has given up, so that a Redis that is farther
// away than Timeout is reached by the calls after.
const dialTimeout = 2 * time.Second

// New returns the gate behind a client, of a cluster for example: every script has one key. The client's context
// timeouts must be enabled. The Gate owns the client and closes it.
func New(client goredis.UniversalClient, o Options) *Gate {
	o = o.withDefaults()
	return &Gate{client: client, timeout: o.Timeout, prefix: o.Prefix}
}
