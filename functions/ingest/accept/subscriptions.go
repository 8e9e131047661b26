package accept

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// subscriptions is a tenant's endpoints at one version of its configuration, compiled for matching.
type subscriptions struct {
	version   int64
	endpoints []webhook.Endpoint
	matcher   *filter.Matcher
	schemas   map[string]heldTo // by event type; nil where nothing is held to one
}

// directory keeps the compiled subscriptions of tenants. It may be stale at any time: the write compares the version.
type directory struct {
	store  store.Accepter
	flight singleflight.Group
	onBad  func(tenant, what string, err error)

	mu      sync.RWMutex
	tenants map[string]*subscriptions
}

// maxTenantsKept bounds the memory for tenants that are not active any more; over it, all are forgotten and read again.
const maxTenantsKept = 10_000

func newDirectory(s store.Accepter, onBad func(tenant, what string, err error)) *directory {
	return &directory{store: s, onBad: onBad, tenants: make(map[string]*subscriptions)}
}

// of returns a tenant's subscriptions, read from the store when they are not known or when the version known is stale.
// Errors: store.ErrNotFound for an unknown tenant, store.ErrUnavailable.
func (d *directory) of(ctx context.Context, tenant string, stale int64) (*subscriptions, error) {
	d.mu.RLock()
	known := d.tenants[tenant]
	d.mu.RUnlock()
	if known != nil && known.version > stale {
		return known, nil
	}
	// One read serves all that wait for it. It starts after the version was found stale, so it sees a newer one; its
	// context is nobody's in particular, for the others must not fail when one caller goes away.
	key := fmt.Sprintf("%s@%d", tenant, stale)
	read, err, _ := d.flight.Do(key, func() (any, error) { return d.read(context.WithoutCancel(ctx), tenant) })
	if err != nil {
		return nil, err
	}
	return read.(*subscriptions), nil
}

func (d *directory) read(ctx context.Context, tenant string) (*subscriptions, error) {
	s, err := d.store.Subscriptions(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("accept: subscriptions of tenant %q: %w", tenant, err)
	}
	matcher, faults := filter.Compile(s.Endpoints)
	for i, fault := range faults {
		if fault != nil {
			d.onBad(tenant, "endpoint "+s.Endpoints[i].ID.String(), fault)
		}
	}
	compiled := &subscriptions{version: s.Version, endpoints: s.Endpoints, matcher: matcher}
	compiled.schemas = compileSchemas(s.Schemas, func(eventType string, err error) {
		d.onBad(tenant, "event type "+eventType, err)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.tenants) >= maxTenantsKept {
		clear(d.tenants)
	}
	if now := d.tenants[tenant]; now == nil || now.version < compiled.version {
		d.tenants[tenant] = compiled
	}
	return compiled, nil
}
