// Package secretsmanager keeps the logins that package rotation rotates in AWS Secrets Manager.
//
// It owns how versions and their labels (AWSCURRENT, AWSPENDING) are read and moved, and nothing about logins. Its
// errors are the service's, which name secrets and never their contents.
package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/homing-hooks/homing/pkg/rotation"
)

const (
	current = "AWSCURRENT"
	pending = "AWSPENDING"
)

var _ rotation.Secrets = (*Secrets)(nil)

// Secrets is Secrets Manager, with the secret of who administers the database.
type Secrets struct {
	client *secretsmanager.Client
	admin  string
}

// New returns the secrets that client sees. admin is the secret, as RDS makes it, of the user that may make logins.
func New(client *secretsmanager.Client, admin string) *Secrets {
	return &Secrets{client: client, admin: admin}
}

// Current implements rotation.Secrets.
func (s *Secrets) Current(ctx context.Context, secret string) (rotation.Login, error) {
	var l rotation.Login
	err := s.read(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret, VersionStage: aws.String(current)}, &l)
	return l, err
}

// Pending implements rotation.Secrets.
func (s *Secrets) Pending(ctx context.Context, secret, token string) (rotation.Login, error) {
	var l rotation.Login
	err := s.read(ctx, &secretsmanager.GetSecretValueInput{SecretId: &secret, VersionId: &token}, &l)
	return l, err
}

// Admin implements rotation.Secrets.
func (s *Secrets) Admin(ctx context.Context) (username, password string, err error) {
	var admin struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	err = s.read(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.admin}, &admin)
	return admin.Username, admin.Password, err
}

func (s *Secrets) read(ctx context.Context, input *secretsmanager.GetSecretValueInput, to any) error {
	output, err := s.client.GetSecretValue(ctx, input)
	if none := new(types.ResourceNotFoundException); errors.As(err, &none) {
		return rotation.ErrNoVersion
	}
	if err != nil {
		return fmt.Errorf("secretsmanager: read: %w", err)
	}
	if json.Unmarshal([]byte(aws.ToString(output.SecretString)), to) != nil {
		return rotation.ErrSecret // what json says would quote the secret
	}
	return nil
}

// Put implements rotation.Secrets.
func (s *Secrets) Put(ctx context.Context, secret, token string, l rotation.Login) error {
	value, err := json.Marshal(l) //nolint:gosec // it goes where secrets are kept
	if err != nil {
		return fmt.Errorf("secretsmanager: encode: %w", err)
	}
	_, err = s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &secret, ClientRequestToken: &token,
		SecretString: aws.String(string(value)), VersionStages: []string{pending},
	})
	if err != nil {
		return fmt.Errorf("secretsmanager: put: %w", err)
	}
	return nil
}

// Promote implements rotation.Secrets.
func (s *Secrets) Promote(ctx context.Context, secret, token string) error {
	output, err := s.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &secret})
	if err != nil {
		return fmt.Errorf("secretsmanager: describe: %w", err)
	}
	present := labelled(output.VersionIdsToStages, current)
	if present == token {
		return nil
	}
	_, err = s.client.UpdateSecretVersionStage(ctx, &secretsmanager.UpdateSecretVersionStageInput{
		SecretId: &secret, VersionStage: aws.String(current), MoveToVersionId: &token, RemoveFromVersionId: &present,
	})
	if err != nil {
		return fmt.Errorf("secretsmanager: promote: %w", err)
	}
	return nil
}

// labelled returns the version that has the label.
func labelled(versions map[string][]string, label string) string {
	for version, labels := range versions {
		if slices.Contains(labels, label) {
			return version
		}
	}
	return ""
}
