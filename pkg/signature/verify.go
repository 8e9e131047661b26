package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// DefaultTolerance is how far webhook-timestamp may be from the receiver's clock, either way.
const DefaultTolerance = 5 * time.Minute

// MaxSignatures bounds the signatures in one header: checking an Ed25519 signature is dear, and headers come from
// anybody.
const MaxSignatures = 32

// What can be wrong with a POST received. Test with errors.Is.
var (
	// ErrHeaderMissing: a header is absent or occurs more than once; the error names it.
	ErrHeaderMissing = errors.New("header missing or not single")
	// ErrHeaderMalformed: a header is not of the form that the specification gives it; the error names it.
	ErrHeaderMalformed = errors.New("header malformed")
	// ErrTooOld: the timestamp is further in the past than the tolerance: a replay, or the receiver's clock is fast.
	ErrTooOld = errors.New("timestamp too old")
	// ErrTooNew: the timestamp is further in the future than the tolerance: the receiver's clock is slow.
	ErrTooNew = errors.New("timestamp too new")
	// ErrNoScheme: no signature is of a scheme (v1, v1a) that there is a key for.
	ErrNoScheme = errors.New("no signature of a scheme that there is a key for")
	// ErrNoMatch: no signature matches: another key signed it, or the body is not the one that was sent.
	ErrNoMatch = errors.New("no signature matches")
)

// Verifier verifies POSTs with the keys of a receiver. It is safe for concurrent use.
type Verifier struct {
	// Tolerance is how far the timestamp may be from now, either way; 0 means DefaultTolerance.
	Tolerance time.Duration

	hmac   [][]byte
	public []ed25519.PublicKey
}

// String hides the keys: fmt asks no String of fields that are not exported.
func (v *Verifier) String() string { return "verifier (redacted)" }

// GoString hides the keys from %#v as well.
func (v *Verifier) GoString() string { return v.String() }

// NewVerifier returns a Verifier for keys in their text forms: whsec_, whpk_, and whsk_, of which the public half is
// used. Errors: ErrNoSecret for no key at all, ErrPrefix, ErrEncoding, ErrKeyLength, ErrKeyPair.
func NewVerifier(keys ...string) (*Verifier, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("signature: new verifier: %w", ErrNoSecret)
	}
	v := &Verifier{}
	for _, text := range keys {
		if strings.HasPrefix(text, PrefixPublic) {
			key, err := ParsePublicKey(text)
			if err != nil {
				return nil, err
			}
			v.public = append(v.public, key)
			continue
		}
		secret, err := ParseSecret(text)
		if err != nil {
			return nil, err
		}
		if secret.Kind == webhook.SecretHMAC {
			v.hmac = append(v.hmac, secret.Key)
		} else {
			v.public = append(v.public, secret.Key[ed25519.SeedSize:])
		}
	}
	return v, nil
}

// Verify reports whether a POST with these headers and exactly these body bytes was signed with one of the keys, at a
// time near now. Signatures of unknown versions are passed over, as the specification asks.
// Errors: ErrHeaderMissing, ErrHeaderMalformed, ErrTooOld, ErrTooNew, ErrNoScheme, ErrNoMatch.
func (v *Verifier) Verify(h http.Header, body []byte, now time.Time) error {
	message, err := v.message(h, body, now)
	if err != nil {
		return fmt.Errorf("signature: verify: %w", err)
	}
	signatures, err := single(h, HeaderSignature)
	if err == nil {
		err = v.match(signatures, message)
	}
	if err != nil {
		return fmt.Errorf("signature: verify: %w", err)
	}
	return nil
}

// message returns the signed bytes after checking the headers that are part of them.
func (v *Verifier) message(h http.Header, body []byte, now time.Time) ([]byte, error) {
	id, err := single(h, HeaderID)
	if err != nil {
		return nil, err
	}
	if strings.Contains(id, ".") {
		return nil, fmt.Errorf("%w: %s", ErrHeaderMalformed, HeaderID)
	}
	stamp, err := single(h, HeaderTimestamp)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseUint(stamp, 10, 40) // 40 bits last for 34,000 years and fit time.Time
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrHeaderMalformed, HeaderTimestamp)
	}
	tolerance := v.Tolerance
	if tolerance == 0 {
		tolerance = DefaultTolerance
	}
	at := time.Unix(int64(seconds), 0)
	if now.Sub(at) > tolerance {
		return nil, ErrTooOld
	}
	if at.Sub(now) > tolerance {
		return nil, ErrTooNew
	}
	message := make([]byte, 0, len(id)+len(stamp)+len(body)+2)
	message = append(append(message, id...), '.')
	message = append(append(message, stamp...), '.')
	return append(message, body...), nil
}

// match looks for a signature that fits one of the keys.
func (v *Verifier) match(signatures string, message []byte) error {
	parts := strings.Fields(signatures)
	if len(parts) > MaxSignatures {
		return fmt.Errorf("%w: %s: more than %d signatures", ErrHeaderMalformed, HeaderSignature, MaxSignatures)
	}
	sums := v.sums(message)
	err := ErrNoScheme
	for _, part := range parts {
		version, encoded, found := strings.Cut(part, ",")
		if !found {
			return fmt.Errorf("%w: %s", ErrHeaderMalformed, HeaderSignature)
		}
		known := version == string(webhook.SecretHMAC) && len(sums) > 0 ||
			version == string(webhook.SecretEd25519) && len(v.public) > 0
		if !known {
			continue
		}
		err = ErrNoMatch
		signature, bad := base64.StdEncoding.DecodeString(encoded)
		if bad == nil && v.fits(version, signature, message, sums) {
			return nil
		}
	}
	return err
}

// sums returns the HMAC of the message by each key.
func (v *Verifier) sums(message []byte) [][]byte {
	sums := make([][]byte, 0, len(v.hmac))
	for _, key := range v.hmac {
		mac := hmac.New(sha256.New, key)
		mac.Write(message)
		sums = append(sums, mac.Sum(nil))
	}
	return sums
}

// fits reports whether a signature of a known version is one of the message by any key of the version.
func (v *Verifier) fits(version string, signature, message []byte, sums [][]byte) bool {
	if version == string(webhook.SecretHMAC) {
		for _, sum := range sums {
			if hmac.Equal(sum, signature) {
				return true
			}
		}
		return false
	}
	for _, key := range v.public {
		if ed25519.Verify(key, message, signature) {
			return true
		}
	}
	return false
}

// single returns the one value of a header.
func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%w: %s", ErrHeaderMissing, name)
	}
	return values[0], nil
}
