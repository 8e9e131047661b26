package probe

import (
	"context"
	"fmt"
	"slices"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/signature"
)

// The types of the events.
const (
	typeDirect   = "homing.probe.direct"
	typeBrokered = "homing.probe.brokered"
	typeRetry    = "homing.probe.retry"
)

// endpoints are those of the tenant, by path. An event that is not taken by the third attempt is of no use any more.
var endpoints = map[string]struct{ types, schedule []string }{
	pathSteady:    {[]string{typeBrokered, typeDirect}, []string{"0s", "5s", "30s"}},
	pathFaltering: {[]string{typeRetry}, []string{"0s", "5s", "30s"}},
}

// setUp makes what is missing of the tenant and its endpoints, corrects where they point to, and learns their secrets.
// Errors: of the client.
func (p *Prober) setUp(ctx context.Context) error {
	have, err := client.Collect(p.api.ListEndpoints(ctx, client.ListEndpointsParams{}), len(endpoints)*10)
	if client.IsNotFound(err) { // an operator's key, and no such tenant yet
		name := "Synthetic monitoring"
		_, err = p.api.CreateTenant(ctx, client.CreateTenantInput{ID: p.cfg.Tenant, Name: &name})
	}
	if err != nil {
		return fmt.Errorf("probe: tenant %s: %w", p.cfg.Tenant, err)
	}
	for path := range endpoints {
		if err := p.setUpEndpoint(ctx, path, have); err != nil {
			return fmt.Errorf("probe: endpoint %s: %w", path, err)
		}
	}
	return nil
}

func (p *Prober) setUpEndpoint(ctx context.Context, path string, have []client.ListedEndpoint) error {
	want, url := endpoints[path], p.cfg.Receiver+path
	i := slices.IndexFunc(have, func(e client.ListedEndpoint) bool {
		return e.Status != "deleted" && slices.Equal(slices.Sorted(slices.Values(e.Types)), want.types)
	})
	if i < 0 {
		made, err := p.api.CreateEndpoint(ctx, client.CreateEndpointInput{
			URL: url, Types: want.types, Schedule: want.schedule,
		})
		if err != nil {
			return err
		}
		return p.trustKeys(path, made.Secret)
	}
	if have[i].URL != url {
		if _, err := p.api.UpdateEndpoint(ctx, have[i].ID, client.UpdateEndpointInput{URL: &url}); err != nil {
			return err
		}
	}
	if have[i].Status != "active" {
		return fmt.Errorf("it is %s: resume it, or delete it to have a new one made", have[i].Status)
	}
	secrets, err := p.api.ListSecrets(ctx, have[i].ID)
	if err != nil {
		return err
	}
	keys := make([]string, len(secrets.Data))
	for i, s := range secrets.Data {
		keys[i] = s.Secret
	}
	return p.trustKeys(path, keys...)
}

func (p *Prober) trustKeys(path string, keys ...string) error {
	v, err := signature.NewVerifier(keys...)
	if err == nil {
		p.receiver.trust(path, v)
	}
	return err
}
