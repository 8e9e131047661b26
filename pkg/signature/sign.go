package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// The headers of a signed POST (Standard Webhooks 1.0.0, "Webhook headers"), in the lower case of the specification.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// What can be wrong with what is to be signed. Test with errors.Is.
var (
	// ErrNoSecret: there is no secret to sign with.
	ErrNoSecret = errors.New("no secret")
	// ErrMessageID: the id is empty or holds a ".", which would make the signed bytes ambiguous.
	ErrMessageID = errors.New(`a webhook-id is not empty and holds no "."`)
	// ErrTimestamp: the time is before 1970, which the header cannot say.
	ErrTimestamp = errors.New("a webhook-timestamp is not before 1970")
)

// keepMessage is how large a buffer for Ed25519 messages may be to be kept for the next one.
const keepMessage = 64 << 10

// Signer signs with a set of secrets. It is made once for the set and is safe for concurrent use.
type Signer struct {
	secrets []webhook.Secret
	pool    sync.Pool // of *workspace
}

// workspace is what one Sign needs and the next can use again.
type workspace struct {
	macs    []hash.Hash // one for each secret; nil for Ed25519
	message []byte      // id.timestamp. and, for Ed25519, the body
	header  []byte
	sum     []byte
}

// NewSigner returns a Signer for the secrets, in whose order its signatures come: newest first is the custom. The
// caller leaves out secrets that have expired, and does not change the keys afterwards.
// Errors: ErrNoSecret, ErrKind, ErrKeyLength, ErrKeyPair, the last three with the id of the secret.
func NewSigner(secrets []webhook.Secret) (*Signer, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("signature: new signer: %w", ErrNoSecret)
	}
	for _, secret := range secrets {
		if err := check(secret); err != nil {
			return nil, fmt.Errorf("signature: new signer: secret %s: %w", secret.ID, err)
		}
	}
	s := &Signer{secrets: slices.Clone(secrets)}
	s.pool.New = func() any { return newWorkspace(s.secrets) }
	return s, nil
}

// String hides the keys: fmt asks no String of fields that are not exported.
func (s *Signer) String() string { return "signer (redacted)" }

// GoString hides the keys from %#v as well.
func (s *Signer) GoString() string { return s.String() }

func newWorkspace(secrets []webhook.Secret) *workspace {
	w := &workspace{macs: make([]hash.Hash, len(secrets))}
	for i, secret := range secrets {
		if secret.Kind == webhook.SecretHMAC {
			w.macs[i] = hmac.New(sha256.New, secret.Key)
		}
	}
	return w
}

// Sign returns the webhook-signature header for a POST with this webhook-id, this time (to the second) as
// webhook-timestamp and this body: one signature for each secret, separated by spaces. See [Timestamp] for the header
// of the time. Errors: ErrMessageID, ErrTimestamp.
func (s *Signer) Sign(id string, at time.Time, body []byte) (string, error) {
	if id == "" || strings.IndexByte(id, '.') >= 0 {
		return "", fmt.Errorf("signature: sign: %w", ErrMessageID)
	}
	seconds := at.Unix()
	if seconds < 0 {
		return "", fmt.Errorf("signature: sign: %w", ErrTimestamp)
	}
	w := s.pool.Get().(*workspace)
	w.message = append(append(w.message[:0], id...), '.')
	w.message = append(strconv.AppendInt(w.message, seconds, 10), '.')
	w.header = w.header[:0]
	prefix := len(w.message)
	for i, secret := range s.secrets {
		if i > 0 {
			w.header = append(w.header, ' ')
		}
		w.header = append(append(w.header, secret.Kind...), ',')
		w.header = base64.StdEncoding.AppendEncode(w.header, w.sign(i, secret, prefix, body))
	}
	header := string(w.header)
	if cap(w.message) > keepMessage {
		w.message = nil
	}
	s.pool.Put(w)
	return header, nil
}

// sign returns the signature of one secret. The first prefix bytes of w.message are those before the body, which HMAC
// takes in a second piece; Ed25519 passes over the message twice and needs it whole, so the body is copied behind,
// once.
func (w *workspace) sign(i int, secret webhook.Secret, prefix int, body []byte) []byte {
	if mac := w.macs[i]; mac != nil {
		mac.Reset()
		mac.Write(w.message[:prefix])
		mac.Write(body)
		w.sum = mac.Sum(w.sum[:0])
		return w.sum
	}
	if len(w.message) == prefix {
		w.message = append(w.message, body...)
	}
	return ed25519.Sign(secret.Key, w.message)
}

// Sign signs once with the secrets; see [NewSigner] and [Signer.Sign], which are cheaper for more than one POST.
func Sign(secrets []webhook.Secret, id string, at time.Time, body []byte) (string, error) {
	s, err := NewSigner(secrets)
	if err != nil {
		return "", err
	}
	return s.Sign(id, at, body)
}

// Timestamp returns the webhook-timestamp header for a time: Unix seconds.
func Timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }
