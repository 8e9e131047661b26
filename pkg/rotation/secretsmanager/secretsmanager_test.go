package secretsmanager_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/rotation"
	"github.com/homing-hooks/homing/pkg/rotation/secretsmanager"
)

// service speaks as much of Secrets Manager's protocol (JSON 1.1) as rotating takes, for one secret.
type service struct {
	mu     sync.Mutex
	values map[string]string   // by version
	labels map[string][]string // of each version
}

type call struct {
	SecretID            string   `json:"SecretId"`
	VersionID           string   `json:"VersionId"`
	VersionStage        string   `json:"VersionStage"`
	ClientRequestToken  string   `json:"ClientRequestToken"`
	SecretString        string   `json:"SecretString"`
	VersionStages       []string `json:"VersionStages"`
	MoveToVersionID     string   `json:"MoveToVersionId"`
	RemoveFromVersionID string   `json:"RemoveFromVersionId"`
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer := func(status int, body any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	refuse := func(kind string) { answer(http.StatusBadRequest, map[string]string{"__type": kind, "message": "no"}) }
	switch _, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); action {
	case "GetSecretValue":
		version := s.find(c)
		if version == "" {
			refuse("ResourceNotFoundException")
			return
		}
		answer(http.StatusOK, map[string]any{"SecretString": s.values[version], "VersionId": version})
	case "PutSecretValue":
		s.values[c.ClientRequestToken], s.labels[c.ClientRequestToken] = c.SecretString, c.VersionStages
		answer(http.StatusOK, map[string]any{"VersionId": c.ClientRequestToken})
	case "DescribeSecret":
		answer(http.StatusOK, map[string]any{"VersionIdsToStages": s.labels})
	case "UpdateSecretVersionStage":
		if !slices.Contains(s.labels[c.RemoveFromVersionID], c.VersionStage) {
			refuse("InvalidParameterException")
			return
		}
		s.labels[c.RemoveFromVersionID] = []string{"AWSPREVIOUS"}
		s.labels[c.MoveToVersionID] = []string{c.VersionStage}
		answer(http.StatusOK, map[string]any{})
	default:
		refuse("UnknownOperationException")
	}
}

// find returns the version that a call is about.
func (s *service) find(c call) string {
	if c.VersionID != "" {
		if _, ok := s.values[c.VersionID]; !ok {
			return ""
		}
		return c.VersionID
	}
	stage := c.VersionStage
	if stage == "" {
		stage = "AWSCURRENT"
	}
	for version, labels := range s.labels {
		if slices.Contains(labels, stage) {
			return version
		}
	}
	return ""
}

// start returns the secrets of a service whose one secret has that value.
func start(t *testing.T, value string) (*secretsmanager.Secrets, *service) {
	t.Helper()
	s := &service{values: map[string]string{"v0": value}, labels: map[string][]string{"v0": {"AWSCURRENT"}}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client := sdk.New(sdk.Options{
		Region: "eu-central-1", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	return secretsmanager.New(client, "admin"), s
}

const login = `{"role":"homing_ingest","username":"homing_ingest_a","password":"old","host":"db","port":5432,
  "dbname":"homing"}`

func TestVersions(t *testing.T) {
	t.Parallel()
	secrets, service := start(t, login)
	ctx := t.Context()

	present, err := secrets.Current(ctx, "arn")
	require.NoError(t, err)
	require.Equal(t, "homing_ingest_a", present.Username)
	require.Equal(t, 5432, present.Port)

	_, err = secrets.Pending(ctx, "arn", "v1")
	require.ErrorIs(t, err, rotation.ErrNoVersion)

	next := present
	next.Username = "homing_ingest_b"
	require.NoError(t, secrets.Put(ctx, "arn", "v1", next))
	require.Equal(t, []string{"AWSPENDING"}, service.labels["v1"], "nobody must take it before it was tried")
	pending, err := secrets.Pending(ctx, "arn", "v1")
	require.NoError(t, err)
	require.Equal(t, next, pending)

	for range 2 { // as often as one likes
		require.NoError(t, secrets.Promote(ctx, "arn", "v1"))
		present, err = secrets.Current(ctx, "arn")
		require.NoError(t, err)
		require.Equal(t, next, present)
	}
	require.Equal(t, []string{"AWSPREVIOUS"}, service.labels["v0"])
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	secrets, _ := start(t, `{"username":"master","password":"of the house"}`)
	username, password, err := secrets.Admin(t.Context())
	require.NoError(t, err)
	require.Equal(t, "master", username)
	require.Equal(t, "of the house", password)
}

func TestErrorsQuoteNoSecrets(t *testing.T) {
	t.Parallel()
	secrets, _ := start(t, `hunter2 is no JSON`)
	_, err := secrets.Current(t.Context(), "arn")
	require.ErrorIs(t, err, rotation.ErrSecret)
	require.NotContains(t, err.Error(), "hunter2")
}
