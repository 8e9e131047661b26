package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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

func keyCreate(a *app) *cobra.Command {
	var name string
	var expires duration
	cmd := &cobra.Command{
		Use: "create --tenant TENANT", Short: "Create an API key, and the tenant when it is new; the key is shown once",
		Args:    cobra.NoArgs,
		Example: "  homing key create --tenant acme --name ci --expires-in 720h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				k, key, err := createKey(ctx, a, s, name, time.Duration(expires))
				if err != nil {
					return err
				}
				made := map[string]string{"id": k.ID.String(), "tenant": k.Tenant, "key": key}
				return a.print(cmd.OutOrStdout(), made, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "key     %s  (shown only now)\nid      %s\ntenant  %s\n", key, k.ID, k.Tenant)
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "a name to know it by")
	cmd.Flags().Var(&expires, "expires-in", "how long it is valid (default: until it is revoked)")
	return cmd
}

// createKey makes a key for the tenant, which is made too when it does not exist.
func createKey(ctx context.Context, a *app, s store.Directory, name string, expires time.Duration) (
	k store.APIKey, key string, err error,
) {
	if err := s.CreateTenant(ctx, a.tenant); err != nil && !errors.Is(err, store.ErrConflict) {
		return k, "", a.explain(err, "tenant "+a.tenant)
	}
	key, hash := newAPIKey()
	k = store.APIKey{ID: a.ids.New(time.Now()), Tenant: a.tenant, Name: name, Hash: hash}
	if expires > 0 {
		k.ExpiresAt = time.Now().Add(expires)
	}
	if err := s.CreateKey(ctx, k); err != nil {
		return k, "", a.explain(err, "tenant "+a.tenant)
	}
	return k, key, nil
}

func keyRevoke(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API key: it is refused from now on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := webhook.ParseID(args[0])
			if err != nil {
				return fmt.Errorf("%q: %w; `homing key create` showed the id", args[0], err)
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s store.Store) error {
				if err := s.RevokeKey(ctx, a.tenant, id); err != nil {
					return a.explain(err, "key "+args[0])
				}
				return a.print(cmd.OutOrStdout(), map[string]string{"id": args[0]}, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "key %s is revoked\n", id)
					return err
				})
			})
		},
	}
}
