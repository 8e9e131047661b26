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
	cmd.AddCommand(keyCreate(a), keyRevoke(a))
	return cmd
}

// newKey is what the flags of key create say.
type newKey struct {
	name     string
	scopes   []string
	expires  duration
	operator bool
}

func keyCreate(a *app) *cobra.Command {
	var n newKey
	cmd := &cobra.Command{
		Use:   "create --tenant TENANT | --operator",
		Short: "Create an API key, and the tenant when it is new; the key is shown once",
		Args:  cobra.NoArgs,
		Example: `  homing key create --tenant acme --name ci --scopes events:write --expires 720h
  homing key create --operator`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n.operator && cmd.Flags().Changed("tenant") {
				return errors.New("--operator and --tenant exclude each other: an operator's key is no tenant's")
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				k, key, err := n.create(ctx, a, s)
				if err != nil {
					return err
				}
				of := map[bool]string{false: k.Tenant, true: "none: an operator's key, for all tenants"}[n.operator]
				made := map[string]any{"id": k.ID, "tenant": k.Tenant, "key": key, "scopes": k.Scopes}
				return a.print(cmd.OutOrStdout(), made, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "key     %s  (shown only now)\nid      %s\ntenant  %s\nscopes  %s\n", key, k.ID, of,
						joined(k.Scopes))
					return err
				})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&n.name, "name", "", "a name to know it by")
	f.StringSliceVar(&n.scopes, "scopes", nil, "what it may do: "+joined(webhook.Scopes)+" (default: all but admin; "+
		"admin with --operator)")
	f.BoolVar(&n.operator, "operator", false, "make it an operator's, who may act for every tenant")
	f.Var(&n.expires, "expires", "how long it is valid (default: until it is revoked)")
	f.Var(&n.expires, "expires-in", "the same")
	must(f.MarkHidden("expires-in"))
	return cmd
}

// joined writes scopes as the flag takes them.
func joined(scopes []webhook.Scope) string {
	texts := make([]string, len(scopes))
	for i, scope := range scopes {
		texts[i] = string(scope)
	}
	return strings.Join(texts, ",")
}

// create makes the key, and its tenant when that does not exist.
func (n newKey) create(ctx context.Context, a *app, s store.Directory) (k store.APIKey, key string, err error) {
	key, hash := newAPIKey()
	k = store.APIKey{ID: a.ids.New(time.Now()), Tenant: a.tenant, Name: n.name, Hash: hash, Scopes: webhook.TenantScopes()}
	if n.operator {
		k.Tenant, k.Scopes = "", []webhook.Scope{webhook.ScopeAdmin}
	}
	if len(n.scopes) > 0 {
		k.Scopes = nil
	}
	for _, text := range n.scopes {
		scope := webhook.Scope(text)
		if !scope.Valid() {
			return k, "", fmt.Errorf("--scopes: %q is none of %s", text, joined(webhook.Scopes))
		}
		k.Scopes = append(k.Scopes, scope)
	}
	if n.expires > 0 {
		k.ExpiresAt = time.Now().Add(time.Duration(n.expires))
	}
	if !n.operator {
		if err := s.CreateTenant(ctx, a.tenant); err != nil && !errors.Is(err, store.ErrConflict) {
			return k, "", a.explain(err, "tenant "+a.tenant)
		}
	}
	if err := s.CreateKey(ctx, k); err != nil {
		return k, "", a.explain(err, "tenant "+a.tenant)
	}
	return k, key, nil
}

func keyRevoke(a *app) *cobra.Command {
	var operator bool
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API key: it is refused from now on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := webhook.ParseID(args[0])
			if err != nil {
				return fmt.Errorf("%q: %w; `homing key create` showed the id", args[0], err)
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				tenant := a.tenant
				if operator {
					tenant = ""
				}
				if err := s.RevokeKey(ctx, tenant, id); err != nil {
					return a.explain(err, "key "+args[0])
				}
				return a.print(cmd.OutOrStdout(), map[string]string{"id": args[0]}, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "key %s is revoked\n", id)
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVar(&operator, "operator", false, "it is an operator's key")
	return cmd
}
