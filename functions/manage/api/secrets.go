package api

import (
	"context"
	"net/http"
	"time"

	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// Secret is a signing secret of an endpoint.
type Secret struct {
	ID        webhook.ID `json:"id" format:"uuid"`
	Kind      string     `json:"kind" enum:"v1,v1a" doc:"v1 is HMAC-SHA256, v1a Ed25519."`
	Secret    string     `json:"secret" doc:"whsec_… for v1, whsk_… for v1a, as Standard Webhooks writes them."`
	PublicKey string     `json:"public_key,omitempty" doc:"For v1a: whpk_…, what the receiver verifies with."`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"Until when it signs. Missing: until the next rotation."`
}

// Secrets are those of an endpoint that sign.
type Secrets struct {
	Data []Secret `json:"data" nullable:"false" doc:"Newest first. Each request carries a signature of every one."`
}

type secretsAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         Secrets
}

// Rotation says how to rotate a secret.
type Rotation struct {
	//nolint:lll // a tag cannot be broken
	Kind string `json:"kind,omitempty" enum:"v1,v1a" default:"v1" doc:"The kind of the new secret; only old ones of the same kind end."`
	//nolint:lll // a tag cannot be broken
	Overlap *string `json:"overlap,omitempty" maxLength:"20" example:"24h" doc:"How long the old secrets go on signing, up to 720h; 0s: not at all. Leave it out for the deployment's."`
}

type rotateInput struct {
	EndpointPath
	Creating
	Body *Rotation // a request without a body asks for the defaults
}

type secretAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         Secret
}

const noStore = "no-store"

// maxOverlap bounds how long an old secret signs.
const maxOverlap = 30 * 24 * time.Hour

func (a *API) registerSecrets() {
	const tag, path = "Endpoints", "/v1/endpoints/{endpoint}/secrets"
	register(a, operation{
		id: "listSecrets", method: http.MethodGet, path: path, tag: tag, scope: webhook.ScopeEndpointsWrite,
		summary: "Get an endpoint's signing secrets", description: "Those that sign at present.",
	}, a.listSecrets)
	register(a, operation{
		id: "rotateSecret", method: http.MethodPost, path: path + "/rotate", tag: tag, scope: webhook.ScopeEndpointsWrite,
		status: http.StatusCreated, summary: "Rotate an endpoint's signing secret",
		description: "Makes a new one. Old ones of its kind go on signing beside it for the overlap, so that the receiver " +
			"can change over in its own time.",
	}, a.rotateSecret)
}

func showSecret(s webhook.Secret) (Secret, error) {
	text, err := signature.Format(s)
	if err != nil {
		return Secret{}, err
	}
	out := Secret{ID: s.ID, Kind: string(s.Kind), Secret: text, CreatedAt: s.CreatedAt, ExpiresAt: moment(s.ExpiresAt)}
	if s.Kind == webhook.SecretEd25519 {
		out.PublicKey, err = signature.PublicKey(s)
	}
	return out, err
}

func (a *API) listSecrets(ctx context.Context, in *struct{ EndpointPath }) (*secretsAnswer, error) {
	list, err := a.cfg.Store.Secrets(ctx, callerOf(ctx).tenant, in.ID)
	if err != nil {
		return nil, err
	}
	out := &secretsAnswer{CacheControl: noStore, Body: Secrets{Data: make([]Secret, 0, len(list))}}
	for _, s := range list {
		shown, err := showSecret(s)
		if err != nil {
			return nil, err
		}
		out.Body.Data = append(out.Body.Data, shown)
	}
	return out, nil
}

// rotation returns what a request says about a rotation, or the defaults.
func (a *API) rotation(r *Rotation) (kind webhook.SecretKind, overlap time.Duration, err error) {
	kind, overlap = webhook.SecretHMAC, a.cfg.SecretOverlap
	if r == nil {
		return kind, overlap, nil
	}
	if r.Kind != "" {
		kind = webhook.SecretKind(r.Kind)
	}
	if r.Overlap != nil {
		if overlap, err = time.ParseDuration(*r.Overlap); err != nil || overlap < 0 || overlap > maxOverlap {
			err = invalid(server.Fault{Field: "overlap", Detail: "must be a duration from 0s to " + maxOverlap.String()})
		}
	}
	return kind, overlap, err
}

func (a *API) rotateSecret(ctx context.Context, in *rotateInput) (*secretAnswer, error) {
	kind, overlap, err := a.rotation(in.Body)
	if err != nil {
		return nil, err
	}
	now := a.cfg.Now()
	secret, err := signature.NewSecret(kind)
	if err != nil {
		return nil, err
	}
	secret.ID, secret.Endpoint, secret.CreatedAt = a.ids.New(now), in.ID, now
	text, err := signature.Format(secret)
	if err != nil {
		return nil, err
	}
	after := map[string]any{"id": secret.ID, "kind": secret.Kind, "overlap": overlap.String()}
	made, err := a.create(ctx, creation{
		Creating: in.Creating, body: in.Body, made: created{ID: secret.ID.String(), Secret: text},
		change: audited{action: "secret.rotate", target: in.ID.String(), after: after},
	}, func(ctx context.Context) error {
		return a.cfg.Store.AddSecret(ctx, callerOf(ctx).tenant, secret, overlap)
	})
	if err != nil {
		return nil, err
	}
	if secret, err = signature.ParseSecret(made.Secret); err != nil {
		return nil, err
	}
	secret.ID = made.parsed()
	secret.CreatedAt = secret.ID.Time()
	shown, err := showSecret(secret)
	return &secretAnswer{CacheControl: noStore, Body: shown}, err
}
