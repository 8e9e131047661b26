package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// Prefixes of the text forms (Standard Webhooks 1.0.0, "Signature scheme", row "Secret serialization").
const (
	PrefixHMAC    = "whsec_" // a symmetric key
	PrefixPrivate = "whsk_"  // an Ed25519 private key: seed and public key, 64 bytes
	PrefixPublic  = "whpk_"  // an Ed25519 public key, 32 bytes
)

// Bounds of a symmetric key in bytes (Standard Webhooks 1.0.0, "Signature scheme"), and the length of those made
// here.
const (
	MinHMACKey = 24
	MaxHMACKey = 64
	newHMACKey = 32
)

// What can be wrong with a key. Test with errors.Is; the errors never hold the key.
var (
	// ErrKind: the kind of secret is not one of webhook.SecretHMAC and webhook.SecretEd25519.
	ErrKind = errors.New("unknown kind of secret")
	// ErrPrefix: the text begins with none of the prefixes that are known here.
	ErrPrefix = errors.New("a key begins with whsec_, whsk_ or whpk_")
	// ErrEncoding: what follows the prefix is not standard base64 with padding (RFC 4648, section 4).
	ErrEncoding = errors.New("a key is standard base64 after its prefix")
	// ErrKeyLength: the key has not the length that its kind asks for.
	ErrKeyLength = errors.New("wrong length of key: HMAC keys have 24 to 64 bytes, Ed25519 keys 64, public ones 32")
	// ErrKeyPair: the public half of an Ed25519 private key is not that of its seed.
	ErrKeyPair = errors.New("the halves of the Ed25519 key do not belong together")
)

// NewSecret makes a secret of the kind from random bytes; its ids and times are for the caller to set. Errors:
// ErrKind.
func NewSecret(kind webhook.SecretKind) (webhook.Secret, error) {
	// crypto/rand never fails: since Go 1.24 it ends the process instead.
	switch kind {
	case webhook.SecretHMAC:
		key := make([]byte, newHMACKey)
		_, _ = rand.Read(key)
		return webhook.Secret{Kind: kind, Key: key}, nil
	case webhook.SecretEd25519:
		seed := make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(seed)
		return webhook.Secret{Kind: kind, Key: ed25519.NewKeyFromSeed(seed)}, nil
	default:
		return webhook.Secret{}, fmt.Errorf("signature: new secret: %w", ErrKind)
	}
}

// ParseSecret reads the text form of a signing key, whsec_ or whsk_. It takes canonical base64 only, so that a key
// has one text form. Errors: ErrPrefix, ErrEncoding, ErrKeyLength, ErrKeyPair.
func ParseSecret(text string) (webhook.Secret, error) {
	var s webhook.Secret
	encoded, found := strings.CutPrefix(text, PrefixHMAC)
	s.Kind = webhook.SecretHMAC
	if !found {
		encoded, found = strings.CutPrefix(text, PrefixPrivate)
		s.Kind = webhook.SecretEd25519
	}
	if !found {
		return webhook.Secret{}, fmt.Errorf("signature: parse secret: %w", ErrPrefix)
	}
	var err error
	if s.Key, err = decode(encoded); err == nil {
		err = check(s)
	}
	if err != nil {
		return webhook.Secret{}, fmt.Errorf("signature: parse secret: %w", err)
	}
	return s, nil
}

// Format returns the text form of a secret, which is as secret as the key. Errors: ErrKind, ErrKeyLength, ErrKeyPair.
func Format(s webhook.Secret) (string, error) {
	if err := check(s); err != nil {
		return "", fmt.Errorf("signature: format: %w", err)
	}
	prefix := PrefixHMAC
	if s.Kind == webhook.SecretEd25519 {
		prefix = PrefixPrivate
	}
	return prefix + base64.StdEncoding.EncodeToString(s.Key), nil
}

// PublicKey returns the whpk_ text of an Ed25519 secret: what receivers are given. Errors: ErrKind for one that is
// not Ed25519, ErrKeyLength, ErrKeyPair.
func PublicKey(s webhook.Secret) (string, error) {
	err := check(s)
	if err == nil && s.Kind != webhook.SecretEd25519 {
		err = ErrKind
	}
	if err != nil {
		return "", fmt.Errorf("signature: public key: %w", err)
	}
	return PrefixPublic + base64.StdEncoding.EncodeToString(s.Key[ed25519.SeedSize:]), nil
}

// ParsePublicKey reads a whpk_ text. Errors: ErrPrefix, ErrEncoding, ErrKeyLength.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	encoded, found := strings.CutPrefix(text, PrefixPublic)
	if !found {
		return nil, fmt.Errorf("signature: parse public key: %w", ErrPrefix)
	}
	key, err := decode(encoded)
	if err == nil && len(key) != ed25519.PublicKeySize {
		err = ErrKeyLength
	}
	if err != nil {
		return nil, fmt.Errorf("signature: parse public key: %w", err)
	}
	return key, nil
}

// decode reads canonical base64. The decoder passes over line breaks, which is why the result is encoded again.
func decode(encoded string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || base64.StdEncoding.EncodedLen(len(key)) != len(encoded) {
		return nil, ErrEncoding
	}
	return key, nil
}

// check reports whether a secret can sign. Signing with an Ed25519 key whose halves do not belong together would give
// the seed away, so the public half is made again.
func check(s webhook.Secret) error {
	switch s.Kind {
	case webhook.SecretHMAC:
		if len(s.Key) < MinHMACKey || len(s.Key) > MaxHMACKey {
			return ErrKeyLength
		}
	case webhook.SecretEd25519:
		if len(s.Key) != ed25519.PrivateKeySize {
			return ErrKeyLength
		}
		if !bytes.Equal(ed25519.NewKeyFromSeed(s.Key[:ed25519.SeedSize]), s.Key) {
			return ErrKeyPair
		}
	default:
		return ErrKind
	}
	return nil
}
