package main

import (
	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/functions/local"
	"github.com/homing-hooks/homing/pkg/client"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this homing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := map[string]string{"version": local.Version(), "api": client.APIVersion}
			return a.print(cmd, v, line("homing %s, API %s", v["version"], v["api"]))
		},
	}
}
