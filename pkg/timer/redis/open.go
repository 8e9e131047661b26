package redis

import (
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Defaults of [Options].
const (
	PrefixDefault   = "homing:"
	ShardsDefault   = 8
	TimeoutDefault  = 500 * time.Millisecond
	PoolSizeDefault = 4
)

// ErrBadURL says that a text is not the URL of a Redis. It does not quote the text, which may hold a password.
var ErrBadURL = errors.New("redis timer: not a redis://, rediss:// or unix:// URL")

// Options are the settings of [Open] and [New]. The zero value is ready for use.
type Options struct {
	// Prefix begins every key, so that several deployments can share a Redis. Defaults to "homing:".
	Prefix string
	// Shards is over how many sorted sets the entries are spread; all processes of a deployment must agree. The key
	// of a shard names it, so what was set with another number is never seen again: the reconciler finds what was in
	// it, and the old keys may be deleted. Defaults to 8.
	Shards int
	// Timeout bounds each call, all its round trips and a connect together. It must be well below a lease. Defaults to
	// 500 ms.
	Timeout time.Duration
	// PoolSize is how many connections there may be; what finds none free waits, within Timeout. [New] ignores it.
	// Defaults to 4.
	PoolSize int
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = PrefixDefault
	}
	if o.Shards <= 0 {
		o.Shards = ShardsDefault
	}
	if o.Timeout <= 0 {
		o.Timeout = TimeoutDefault
	}
	if o.PoolSize <= 0 {
		o.PoolSize = PoolSizeDefault
	}
	return o
}

// Open returns the timers in the Redis at a URL (https://www.iana.org/assignments/uri-schemes/prov/redis, rediss for
// TLS). It does not connect: that happens with the first call, so that a process can start while Redis is away. Errors:
// [ErrBadURL].
func Open(url string, o Options) (*Timer, error) {
	o = o.withDefaults()
	c, err := goredis.ParseURL(url)
	if err != nil {
		return nil, ErrBadURL
	}
	c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout = o.Timeout, o.Timeout, o.Timeout, o.Timeout
	c.ContextTimeoutEnabled = true
	c.DialerRetries = 1
	c.MaxRetries = -1 // the caller has its own idea of when to try again
	c.PoolSize, c.MaxActiveConns = o.PoolSize, o.PoolSize
	c.PipelinePoolSize = -1 // no second pool: everything here is a pipeline
	// Nothing beyond AUTH before the first command: a process often lives for seconds only.
	c.DisableIdentity = true
	c.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return New(goredis.NewClient(c), o), nil
}

// New returns the timers behind a client, of a cluster for example: every script and command has one key. The client's
// context timeouts must be enabled. The Timer owns the client and closes it.
func New(client goredis.UniversalClient, o Options) *Timer {
	o = o.withDefaults()
	t := &Timer{client: client, timeout: o.Timeout}
	for shard := range o.Shards {
		t.keys = append(t.keys, shardKey(o.Prefix, shard, o.Shards))
	}
	return t
}

// shardKey is the key of one shard. The version is that of the encoding: processes of different versions never read
// each other's. The braces are a hash tag, by which a cluster spreads the shards over its nodes.
func shardKey(prefix string, shard, of int) string {
	return fmt.Sprintf("%stimers:v1:{%d/%d}", prefix, shard, of)
}
