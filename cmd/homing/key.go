package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// keyPrefix marks an API key as Homing's, so that scanners for leaked secrets know it.
const keyPrefix = "hmk_"

// newAPIKey makes a key: 32 random bytes. Its SHA-256 is all that the store learns of it; a random key needs no slower
// hash.
func newAPIKey() (key string, hash [32]byte) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: since Go 1.24 it ends the process instead
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	return key, sha256.Sum256([]byte(key))
}

func keyCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Manage API keys"}
	create, all, get, revoke := keyCreate(a), keyList(a), keyGet(a), keyRevoke(a)
	cmd.AddCommand(create, keyPortal(a), keyBroker(a), all, get, revoke)
	a.operatorFlag("make it an operator's, who may act for every tenant", create)
	a.operatorFlag("of operators, not of a tenant", all, get, revoke)
	return cmd
}

// newKey is what the flags of key create say.
type newKey struct {
	name    string
	scopes  []string
	expires duration
	direct  bool
}

func keyCreate(a *app) *cobra.Command {
	var n newKey
	cmd := &cobra.Command{
		Use:   "create --tenant TENANT | --operator",
		Short: "Create an API key, and the tenant when it is new; the key is shown once",
		Long: `Creates an API key, and prints it: it is shown only now. -o json is for scripts.

Where no API key is known yet, but DATABASE_URL is, it works on the database itself: so the first operator's key is
made. --database does so in any case.`,
		Args: cobra.NoArgs,
		Example: `  homing key create --tenant acme --name ci --scopes events:write --expires 720h
  DATABASE_URL=postgres://... homing key create --operator`,
		RunE: func(cmd *cobra.Command, _ []string) error { return n.run(cmd, a) },
	}
	f := cmd.Flags()
	f.StringVar(&n.name, "name", "", "a name to know it by")
	f.StringSliceVar(&n.scopes, "scopes", nil, "what it may do: "+joined(webhook.Scopes)+" (default: all but admin; "+
		"admin with --operator)")
	f.Var(&n.expires, "expires", "how long it is valid (default: until it is revoked)")
	f.Var(&n.expires, "expires-in", "the same")
	f.BoolVar(&n.direct, "database", false, "work on the database of DATABASE_URL, without a server")
	must(f.MarkHidden("expires-in"))
	return cmd
}

func (n *newKey) run(cmd *cobra.Command, a *app) error {
	if len(n.scopes) == 0 {
		n.scopes = strings.Split(joined(webhook.TenantScopes()), ", ")
		if a.operator {
			n.scopes = []string{string(webhook.ScopeAdmin)}
		}
	}
	for _, text := range n.scopes {
		if !webhook.Scope(text).Valid() {
			return usage(fmt.Sprintf("--scopes: %q is none of %s", text, joined(webhook.Scopes)))
		}
	}
	made, err := n.make(cmd.Context(), a)
	if err != nil {
		return err
	}
	return a.print(cmd, made, func(w io.Writer) error {
		of := made.Tenant
		if of == "" {
			of = "none: an operator's key, for all tenants"
		}
		_, err := fmt.Fprintf(w, "key     %s  (shown only now)\nid      %s\ntenant  %s\nscopes  %s\n", made.Key, made.ID, of,
			strings.Join(made.Scopes, ","))
		return err
	})
}

// make creates the key on the server, or on the database where no server can do it.
func (n *newKey) make(ctx context.Context, a *app) (*client.NewKey, error) {
	to, err := a.reach(false)
	if n.direct || err == nil && to.key == "" && a.env("DATABASE_URL") != "" {
		return n.inDatabase(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	c, to, err := a.connect(false)
	if err != nil {
		return nil, err
	}
	in := client.CreateKeyInput{Scopes: n.scopes}
	if n.name != "" {
		in.Name = &n.name
	}
	if n.expires > 0 {
		in.ExpiresAt = new(time.Now().Add(time.Duration(n.expires)))
	}
	made, err := c.CreateKey(ctx, in)
	if client.IsNotFound(err) && to.tenant != "" {
		if _, err := c.CreateTenant(ctx, client.CreateTenantInput{ID: to.tenant}); err != nil {
			return nil, err
		}
		made, err = c.CreateKey(ctx, in)
	}
	return made, err
}

// inDatabase creates the key on the database itself.
func (n *newKey) inDatabase(ctx context.Context, a *app) (made *client.NewKey, err error) {
	err = a.withStore(ctx, func(ctx context.Context, s store.Store) error {
		tenant := a.tenant
		if tenant == "" && !a.operator {
			tenant = defaultTenant
		}
		made, err = n.create(ctx, a, s, tenant)
		return err
	})
	return made, err
}

// create makes the key, and its tenant when that does not exist; tenant "" is for an operator's.
func (n *newKey) create(ctx context.Context, a *app, s store.Directory, tenant string) (*client.NewKey, error) {
	key, hash := newAPIKey()
	now := time.Now()
	k := store.APIKey{ID: a.ids.New(now), Tenant: tenant, Name: n.name, Hash: hash}
	for _, text := range n.scopes {
		k.Scopes = append(k.Scopes, webhook.Scope(text))
	}
	if n.expires > 0 {
		k.ExpiresAt = now.Add(time.Duration(n.expires))
	}
	if tenant != "" {
		if err := s.CreateTenant(ctx, tenant); err != nil && !errors.Is(err, store.ErrConflict) {
			return nil, err
		}
	}
	if err := s.CreateKey(ctx, k); err != nil {
		return nil, err
	}
	return &client.NewKey{
		ID: k.ID.String(), Key: key, Name: n.name, Tenant: tenant, Scopes: n.scopes, Status: "valid", CreatedAt: now,
		ExpiresAt: k.ExpiresAt,
	}, nil
}

func keyPortal(a *app) *cobra.Command {
	var in client.CreatePortalTokenInput
	var name string
	var expires duration
	cmd := &cobra.Command{
		Use: "portal --scopes SCOPES", Short: "Create a short-lived key for a person's session; it is shown once",
		Long: `Creates a portal token, and prints it: it is shown only now. It is a key of one tenant for the session of a
person in a browser, ends by itself, and never has the scope admin. ` + "`homing key revoke`" + ` ends it before.`,
		Example: "  homing key portal --tenant acme --scopes endpoints:read,deliveries:read --expires 30m --name Ann",
		Args:    cobra.NoArgs,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			if name != "" {
				in.Name = &name
			}
			if expires > 0 {
				in.ExpiresIn = new(time.Duration(expires).String())
			}
			made, err := c.CreatePortalToken(ctx, in)
			if err != nil {
				return err
			}
			return a.print(cmd, made, line("token   %s  (shown only now)\nid      %s\nscopes  %s\nends    %s", made.Token,
				made.ID, strings.Join(made.Scopes, ","), clockTime(made.ExpiresAt)))
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&in.Scopes, "scopes", nil, "what it may do: "+joined(webhook.TenantScopes())+" (required)")
	f.Var(&expires, "expires", "for how long it is good, 1m to 24h (default: 1h)")
	f.StringVar(&name, "name", "", "whose session it is")
	must(cmd.MarkFlagRequired("scopes"))
	return cmd
}

func keyList(a *app) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list", Short: "List a tenant's API keys, or operators'", Args: cobra.NoArgs,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			all := c.ListKeys(ctx, client.ListKeysParams{Limit: l.page()})
			columns := []string{"ID", "STATUS", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "NAME"}
			return list(a, cmd, &l, all, rows[client.Key]{columns, func(k client.Key) []string {
				return []string{
					k.ID, k.Status, strings.Join(k.Scopes, ","), clockTime(k.CreatedAt), clockTime(k.LastUsedAt),
					clockTime(k.ExpiresAt), safe(k.Name),
				}
			}})
		}),
	}
	l.addTo(cmd, false)
	return cmd
}

func keyGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show an API key, without the key itself", Args: oneID("key"),
		RunE: a.about("key", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			k, err := c.GetKey(ctx, args[0])
			if err != nil {
				return err
			}
			t := newTable()
			for _, row := range [][2]string{
				{"key", k.ID}, {"name", safe(k.Name)}, {"tenant", k.Tenant}, {"status", k.Status},
				{"scopes", strings.Join(k.Scopes, ",")}, {"created", clockTime(k.CreatedAt)},
				{"last used", clockTime(k.LastUsedAt)}, {"expires", clockTime(k.ExpiresAt)}, {"revoked", clockTime(k.RevokedAt)},
			} {
				if row[1] != "" {
					t.row(row[0], row[1])
				}
			}
			return a.print(cmd, k, t.write)
		}),
	}
}

func keyRevoke(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API key: it is refused from now on", Args: oneID("key"),
		RunE: a.about("key", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			k, err := c.RevokeKey(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, k, line("key %s is revoked", k.ID))
		}),
	}
}

// firstKeys makes the keys of an embedded Homing that are not there yet.
func (s *serving) firstKeys(ctx context.Context, dir store.Directory) error {
	tenantScopes := strings.Split(joined(webhook.TenantScopes()), ", ")
	for _, k := range []struct {
		file, tenant string
		scopes       []string
	}{
		{fileAPIKey, defaultTenant, tenantScopes}, {fileOperatorKey, "", []string{string(webhook.ScopeAdmin)}},
	} {
		have, err := readFile(s.cfg.DataDirectory(), k.file)
		if err == nil && have == "" {
			var made *client.NewKey
			n := newKey{name: "first start", scopes: k.scopes}
			if made, err = n.create(ctx, s.app, dir, k.tenant); err == nil {
				err = writeFile(s.cfg.DataDirectory(), k.file, made.Key)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// brokerKey is what key broker prints.
type brokerKey struct {
	Tenant string `json:"tenant" yaml:"tenant"`
	Key    string `json:"key" yaml:"key"`
}

func keyBroker(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "broker --tenant TENANT",
		Short: "Derive the key with which a tenant's producers sign what they send through a broker",
		Long: `Derives the key with which the producers of a tenant sign events that they send through a broker, from the
first of HOMING_BROKER_SIGNING_KEYS, and asks no server. It is the same each time. Producers in Go sign with the
package brokersign.`,
		Args:    cobra.NoArgs,
		Example: "  HOMING_BROKER_SIGNING_KEYS=a:$(cat secret) homing key broker --tenant acme",
		RunE: func(cmd *cobra.Command, _ []string) error {
			keys, err := config.ParseKeys(a.env("HOMING_BROKER_SIGNING_KEYS"))
			if err != nil {
				return usage("HOMING_BROKER_SIGNING_KEYS " + err.Error())
			}
			if len(keys) == 0 {
				return usage("HOMING_BROKER_SIGNING_KEYS is not set: it is what keys are derived from")
			}
			if a.tenant == "" {
				return usage("--tenant: name the tenant whose producers get the key")
			}
			made := brokerKey{a.tenant, brokersign.DeriveKey(keys[0].Reveal(), a.tenant).Reveal()}
			return a.print(cmd, made, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, made.Key)
				return err
			})
		},
	}
}
