package brokersign

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

const (
	// Attribute is the CloudEvents extension that carries the signature.
	Attribute = "homingsignature"
	// TenantAttribute is the extension that says whose an event is.
	TenantAttribute = "tenant"

	scheme    = "v1."
	keyPrefix = "hbk_"
	keySize   = sha256.Size

	label   = "homing broker signature v1"
	keyInfo = "homing broker key v1:"
	layout  = "2006-01-02T15:04:05.000000Z"
)

// Errors of this package. Test with errors.Is.
var (
	// ErrMissing: the event has no signature.
	ErrMissing = errors.New("brokersign: the event is not signed")
	// ErrInvalid: the event has a signature, which is not one by a key of its tenant over this event.
	ErrInvalid = errors.New("brokersign: the signature is not of this event by a key of its tenant")
	// ErrKey: a text is no key. The error does not quote it.
	ErrKey = errors.New("brokersign: not a key of a producer: those begin with " + keyPrefix)
)

// Key is the key of one tenant's producers. It prints as "(redacted)"; Reveal is its text.
type Key struct{ bytes *[keySize]byte }

// DeriveKey returns the key of a tenant. A secret of less than 32 random bytes is none.
func DeriveKey(secret []byte, tenant string) Key {
	k := Key{new([keySize]byte)}
	derived, err := hkdf.Key(sha256.New, secret, nil, keyInfo+tenant, keySize)
	if err != nil { // of lengths beyond 255 hashes only
		panic("brokersign: derive a key: " + err.Error())
	}
	copy(k.bytes[:], derived)
	return k
}

// ParseKey reads what Reveal returns. Errors: ErrKey.
func ParseKey(text string) (Key, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	bytes, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(bytes) != keySize {
		return Key{}, ErrKey
	}
	return Key{(*[keySize]byte)(bytes)}, nil
}

// Reveal returns the key as a text: call it where it is handed to a producer, and nowhere else.
func (k Key) Reveal() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(k.bytes[:]) }

// Format hides the key from every verb of package fmt.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(redacted)") }

// MarshalText hides the key from JSON and its kin.
func (k Key) MarshalText() ([]byte, error) { return []byte("(redacted)"), nil }

// Sign makes an event the tenant's, and signs it. An event without a time gets the present one, for the broker would
// give it another. Sign it last: what is changed after makes the signature invalid. Errors: ErrKey for the zero Key.
func (k Key) Sign(e *event.Event, tenant string) error {
	if k.bytes == nil {
		return ErrKey
	}
	if e.Time().IsZero() {
		e.SetTime(time.Now())
	}
	e.SetExtension(TenantAttribute, tenant)
	e.SetExtension(Attribute, k.sign(Parts{
		ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: e.Time(), Tenant: tenant,
		Data: e.Data(),
	}))
	return nil
}

// Parts are what a signature covers.
type Parts struct {
	ID, Source, Type, Subject string
	Time                      time.Time
	Tenant                    string
	Data                      []byte
}

func (k Key) sign(p Parts) string {
	return scheme + base64.RawURLEncoding.EncodeToString(k.mac(p))
}

// mac covers each part with its length, so that no two events are the same text.
func (k Key) mac(p Parts) []byte {
	mac := hmac.New(sha256.New, k.bytes[:])
	_, _ = io.WriteString(mac, label)
	moment := p.Time.UTC().Format(layout)
	for _, part := range [...]string{p.ID, p.Source, p.Type, p.Subject, moment, p.Tenant} {
		_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		_, _ = io.WriteString(mac, part)
	}
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p.Data))))
	_, _ = mac.Write(p.Data)
	return mac.Sum(nil)
}

// Verify returns nil when the signature is one of the parts by the tenant's key of any of the secrets: during a
// rotation there are two. Errors: ErrMissing for "", ErrInvalid.
func Verify(secrets [][]byte, p Parts, signature string) error {
	if signature == "" {
		return ErrMissing
	}
	encoded, ok := strings.CutPrefix(signature, scheme)
	given, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil {
		return ErrInvalid
	}
	for _, secret := range secrets {
		if hmac.Equal(given, DeriveKey(secret, p.Tenant).mac(p)) {
			return nil
		}
	}
	return ErrInvalid
}
