package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
)

func auditCommand(a *app) *cobra.Command {
	var l listing
	var target string
	cmd := &cobra.Command{
		Use: "audit", Short: "List who changed what, newest first", Args: cobra.NoArgs,
		Long: "Lists every change made through the API. -o json shows what was changed, as it was before and after.",
		Example: `  homing audit --limit 100
  homing audit --target 0199... -o json`,
		RunE: a.calls(func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
			all := c.ListAuditLog(ctx, client.ListAuditLogParams{Target: target, Limit: l.page()})
			columns := []string{"AT", "ACTION", "TARGET", "TENANT", "KEY", "KEY'S NAME"}
			return list(a, cmd, &l, all, rows[client.AuditEntry]{columns, func(e client.AuditEntry) []string {
				return []string{clockTime(e.At), e.Action, e.Target, e.Tenant, e.Actor, safe(e.ActorName)}
			}})
		}),
	}
	l.addTo(cmd, false)
	a.operatorFlag("of all tenants, and of what is no tenant's", cmd)
	cmd.Flags().StringVar(&target, "target", "", "only changes of the thing with this id")
	return cmd
}
