package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/store/postgres"
)

func migrateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the schema of DATABASE_URL up to date", Args: cobra.NoArgs,
		Long: `Applies the migrations that the database lacks, each in a transaction, under a lock: it may be run at any
time, by several at once, and beside a running Homing of the version before. An embedded Homing does it by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.found()
			if err != nil {
				return err
			}
			applied, err := postgres.Migrate(cmd.Context(), cfg.Database())
			if err != nil {
				return err
			}
			return a.print(cmd, map[string]any{"applied": applied}, func(w io.Writer) error {
				if len(applied) == 0 {
					_, err := fmt.Fprintln(w, "the schema is up to date")
					return err
				}
				_, err := fmt.Fprintf(w, "applied %d migrations: %v\n", len(applied), applied)
				return err
			})
		},
	}
}
