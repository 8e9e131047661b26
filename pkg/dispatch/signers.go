package dispatch

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/homing-hooks/homing/pkg/outcome"
	"github.com/homing-hooks/homing/pkg/signature"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// signers keeps the signers of the endpoints sent to lately: making one costs as much as signing, or several times
// that with Ed25519, whose keys are checked. An endpoint has one place, found by a random byte of its id, and loses
// it to the next that has the same; places are compared by the keys themselves, so a changed secret is never missed.
type signers [256]atomic.Pointer[keptSigner]

type keptSigner struct {
	secrets []webhook.Secret
	signer  *signature.Signer
}

// of returns a signer for the secrets of an endpoint. Errors: those that wrap [outcome.ErrConfig].
func (s *signers) of(endpoint webhook.ID, secrets []webhook.Secret) (*signature.Signer, error) {
	place := &s[endpoint[len(endpoint)-1]]
	if kept := place.Load(); kept != nil && slices.EqualFunc(kept.secrets, secrets, sameKey) {
		return kept.signer, nil
	}
	own := slices.Clone(secrets)
	for i := range own {
		own[i].Key = bytes.Clone(own[i].Key)
	}
	signer, err := signature.NewSigner(own)
	if err != nil {
		return nil, unsignable(err)
	}
	place.Store(&keptSigner{secrets: own, signer: signer})
	return signer, nil
}

func sameKey(a, b webhook.Secret) bool { return a.Kind == b.Kind && bytes.Equal(a.Key, b.Key) }

// unsignable says why a POST cannot be signed. The errors of package signature hold no key.
func unsignable(err error) error {
	text := "the endpoint's secret cannot sign"
	if errors.Is(err, signature.ErrNoSecret) {
		text = "the endpoint has no secret to sign with"
	}
	return &outcome.Error{Outcome: webhook.OutcomeConfig, Text: text, Err: errors.Join(outcome.ErrConfig, err)}
}
