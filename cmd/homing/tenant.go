package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func tenantCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", Short: "Manage tenants, with an operator's key"}
	cmd.AddCommand(tenantCreate(a), tenantList(a), tenantGet(a), tenantUpdate(a), tenantDelete(a))
	return cmd
}

func (a *app) printTenant(cmd *cobra.Command, t *client.Tenant) error {
	rows := newTable()
	rows.row("tenant", t.ID)
	rows.row("name", safe(t.Name))
	rows.row("status", t.Status)
	rows.row("schema policy", t.SchemaPolicy)
	rows.row("created", clockTime(t.CreatedAt))
	if d := t.Deletion; d != nil {
		rows.row("deleted", clockTime(t.DeletedAt))
		rows.row("deletion", stateOf(d.State, safe(d.Error)))
		rows.row("removed", jobProgress(*d)+" rows")
		if !d.NextAt.IsZero() {
			rows.row("goes on", clockTime(d.NextAt))
		}
	}
	return a.print(cmd, t, rows.write)
}

func tenantCreate(a *app) *cobra.Command {
	var name, policy string
	cmd := &cobra.Command{
		Use: "create ID", Short: "Create a tenant", Args: oneName("tenant"),
		Example: `  homing tenant create acme --name "Acme Ltd"
  homing key create --tenant acme`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			in := client.CreateTenantInput{ID: args[0]}
			if name != "" {
				in.Name = &name
			}
			if policy != "" {
				in.SchemaPolicy = &policy
			}
			t, err := c.CreateTenant(ctx, in)
			if client.IsConflict(err) {
				return &mended{err: err, text: "there is, or was, a tenant " + args[0] + ": take another id"}
			}
			if err != nil {
				return err
			}
			return a.printTenant(cmd, t)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "a name for people")
	schemaPolicy(cmd, &policy)
	return cmd
}

// schemaPolicy adds --schema-policy to a command that makes or changes a tenant.
func schemaPolicy(cmd *cobra.Command, policy *string) {
	cmd.Flags().StringVar(policy, "schema-policy", "", "what becomes of data that do not satisfy the schema of their "+
		"type, where the type does not say: off, flag, reject")
	must(cmd.RegisterFlagCompletionFunc("schema-policy", cobra.FixedCompletions([]string{"off", "flag", "reject"},
		cobra.ShellCompDirectiveNoFileComp)))
}

func tenantList(a *app) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: "list", Short: "List tenants", Args: cobra.NoArgs,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			all := c.ListTenants(ctx, client.ListTenantsParams{Limit: l.page()})
			columns := []string{"ID", "STATUS", "CREATED", "NAME"}
			return list(a, cmd, &l, all, rows[client.Tenant]{columns, func(t client.Tenant) []string {
				return []string{t.ID, t.Status, clockTime(t.CreatedAt), safe(t.Name)}
			}})
		}),
	}
	l.addTo(cmd, false)
	return cmd
}

func tenantGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Short: "Show a tenant, and how far its deletion is", Args: oneName("tenant"),
		RunE: a.about("tenant", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.GetTenant(ctx, args[0])
			if err != nil {
				return err
			}
			return a.printTenant(cmd, t)
		}),
	}
}

func tenantUpdate(a *app) *cobra.Command {
	var name, policy string
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change a tenant; what is not named stays as it is", Args: oneName("tenant"),
		Example: "  homing tenant update acme --schema-policy flag",
		RunE: a.about("tenant", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			var in client.UpdateTenantInput
			if cmd.Flags().Changed("name") {
				in.Name = &name
			}
			if cmd.Flags().Changed("schema-policy") {
				in.SchemaPolicy = &policy
			}
			t, err := c.UpdateTenant(ctx, args[0], in)
			if err != nil {
				return err
			}
			return a.printTenant(cmd, t)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "a name for people")
	schemaPolicy(cmd, &policy)
	cmd.MarkFlagsOneRequired("name", "schema-policy")
	return cmd
}

func tenantDelete(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Delete a tenant: its keys are refused from now on", Args: oneName("tenant"),
		RunE: a.about("tenant", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.DeleteTenant(ctx, args[0])
			if err != nil {
				return err
			}
			return a.print(cmd, t, line("tenant %s is %s; `homing tenant get %[1]s` shows how far that is", t.ID, t.Status))
		}),
	}
}
