// Package seal encrypts what the store must not hold in clear: the signing secrets and the headers of endpoints.
//
// It owns the sealed form and the keyring. It promises that what was sealed for one place (its labels: tenant,
// endpoint, secret) opens for that place only, so that whoever can write to the database still cannot move a secret
// from one endpoint to another; that data sealed with an older key of the ring still opens; and that no key appears in
// an error, a log or a printed value. It never stores anything and never fetches a key from anywhere.
//
// The cipher is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. Sealed data are
//
//	version (1 byte, 1) | nonce (12 bytes) | ciphertext and tag
//
// Random nonces allow 2^32 seals a key (section 8.3 there), far more than endpoints are changed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Errors of this package. Test with errors.Is.
var (
	// ErrKeyring: a keyring's text is not of the form that [Parse] reads. The error names the entry by its number.
	ErrKeyring = errors.New("seal: bad keyring")
	// ErrNoKey: the ring does not have the key, or no key at all.
	ErrNoKey = errors.New("seal: no such key")
	// ErrNotAuthentic: the data were not sealed with this key for these labels, or were changed since.
	ErrNotAuthentic = errors.New("seal: not authentic")
)

const (
	// KeySize is the size of a key in bytes.
	KeySize = 32

	version   = 1
	nonceSize = 12
	tagSize   = 16
	overhead  = 1 + nonceSize + tagSize

	maxKeyID = 64
)

// Keyring holds the keys by their ids; one of them is current, and seals. The zero Keyring has none: it can neither
// seal nor open. A Keyring does not change and is safe for concurrent use.
type Keyring struct {
	current string
	keys    map[string]cipher.AEAD
}

// Parse reads a keyring as it stands in configuration: "id:key,id:key,…", each key 32 bytes in base64 (standard or URL
// alphabet, with or without padding). The first is current; the others only open. An empty text is an empty ring. To
// rotate, put a new entry in front, and remove the old one when nothing is sealed with it any more. Errors:
// [ErrKeyring].
func Parse(text string) (Keyring, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Keyring{}, nil
	}
	ring := Keyring{keys: make(map[string]cipher.AEAD)}
	for i, entry := range strings.Split(text, ",") {
		id, encoded, found := strings.Cut(strings.TrimSpace(entry), ":")
		if !found || !validKeyID(id) {
			return Keyring{}, fmt.Errorf("%w: entry %d is not id:key", ErrKeyring, i+1)
		}
		if _, twice := ring.keys[id]; twice {
			return Keyring{}, fmt.Errorf("%w: entry %d has the id of an earlier one", ErrKeyring, i+1)
		}
		key, err := decode(encoded)
		if err != nil || len(key) != KeySize {
			return Keyring{}, fmt.Errorf("%w: the key of entry %d is not %d bytes in base64", ErrKeyring, i+1, KeySize)
		}
		if ring.keys[id], err = newAEAD(key); err != nil {
			return Keyring{}, fmt.Errorf("%w: entry %d", ErrKeyring, i+1)
		}
		if ring.current == "" {
			ring.current = id
		}
	}
	return ring, nil
}

// validKeyID reports whether an id is made of letters, digits, "_", "-" and ".", so that it never looks like a key.
func validKeyID(id string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	return id != "" && len(id) <= maxKeyID && strings.Trim(id, allowed) == ""
}

// decode reads base64 in any of its usual spellings.
func decode(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(s), "="))
	return base64.RawStdEncoding.Strict().DecodeString(s)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// NewKey returns the text of a keyring with one new random key, for a first start. The text is secret.
func NewKey(id string) string {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails, since Go 1.24
	return id + ":" + base64.StdEncoding.EncodeToString(key)
}

// Empty reports whether the ring has no key.
func (k Keyring) Empty() bool { return len(k.keys) == 0 }

// Current returns the id of the key that seals; "" when the ring is empty.
func (k Keyring) Current() string { return k.current }

// String hides the keys.
func (k Keyring) String() string { return fmt.Sprintf("keyring of %d keys (redacted)", len(k.keys)) }

// GoString hides the keys from %#v as well.
func (k Keyring) GoString() string { return k.String() }

// Seal encrypts a plaintext with the current key for the place that the labels name, and returns the key's id, to be
// stored beside the result. Errors: [ErrNoKey].
func (k Keyring) Seal(plaintext []byte, labels ...string) (keyID string, sealed []byte, err error) {
	aead, ok := k.keys[k.current]
	if !ok {
		return "", nil, fmt.Errorf("%w: the keyring is empty", ErrNoKey)
	}
	sealed = make([]byte, 1+nonceSize, overhead+len(plaintext))
	sealed[0] = version
	nonce := sealed[1:]
	_, _ = rand.Read(nonce) // never fails, since Go 1.24
	return k.current, aead.Seal(sealed, nonce, plaintext, additional(labels)), nil
}

// Open decrypts what Seal returned, given the same labels in the same order. Errors: [ErrNoKey], [ErrNotAuthentic].
func (k Keyring) Open(keyID string, sealed []byte, labels ...string) ([]byte, error) {
	aead, ok := k.keys[keyID]
	if !ok {
		// The id is not quoted: it comes from the database, and somebody may have put anything there.
		return nil, ErrNoKey
	}
	if len(sealed) < overhead || sealed[0] != version {
		return nil, ErrNotAuthentic
	}
	plaintext, err := aead.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], additional(labels))
	if err != nil {
		return nil, ErrNotAuthentic
	}
	return plaintext, nil
}

// additional encodes labels so that no two lists of labels give the same bytes: each is prefixed by its length.
func additional(labels []string) []byte {
	b := []byte{version}
	for _, label := range labels {
		b = binary.BigEndian.AppendUint64(b, uint64(len(label)))
		b = append(b, label...)
	}
	return b
}
