// Command homing-rotate is the function of AWS Lambda that rotates the functions' logins to Postgres: see pkg/rotation.
// ADMIN_SECRET_ID is the secret of the database's administrator; PGSSLMODE and its kin say how to connect.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/homing-hooks/homing/pkg/rotation"
	"github.com/homing-hooks/homing/pkg/rotation/secretsmanager"
)

func main() {
	aws, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		slog.Error("no configuration of AWS", "error", err)
		os.Exit(1)
	}
	secrets := secretsmanager.New(sdk.NewFromConfig(aws), os.Getenv("ADMIN_SECRET_ID"))
	lambda.Start(rotation.New(secrets).Do)
}
