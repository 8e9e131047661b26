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
	rows.row("created", clockTime(t.CreatedAt))
	return a.print(cmd, t, rows.write)
}

func tenantCreate(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "create ID", Short: "Create a tenant", Args: oneName("tenant"),
		Example: `  homing tenant create acme --name "Acme Ltd"
  homing key create --tenant acme`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			in := client.CreateTenantInput{ID: args[0]}
			if name != "" {
				in.Name = &name
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
	return cmd
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
		Use: "get ID", Short: "Show a tenant", Args: oneName("tenant"),
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
	var name string
	cmd := &cobra.Command{
		Use: "update ID --name NAME", Short: "Change a tenant", Args: oneName("tenant"),
		RunE: a.about("tenant", func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
			t, err := c.UpdateTenant(ctx, args[0], client.UpdateTenantInput{Name: &name})
			if err != nil {
				return err
			}
			return a.printTenant(cmd, t)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "a name for people (required)")
	must(cmd.MarkFlagRequired("name"))
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
			return a.print(cmd, t, line("tenant %s is %s", t.ID, t.Status))
		}),
	}
}
