package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
)

// redacted is what secrets look like.
const redacted = "(redacted)"

// Secret is a text that must not be seen: it prints, logs and marshals as "(redacted)". The text is behind a pointer,
// so that not even printing a struct that holds it in a private field shows it. The zero value is empty.
type Secret struct{ text *string }

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text: call it where the secret is used, and nowhere else.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String hides the text; an empty secret is "".
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// Format hides the text from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the text from package log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from JSON and its kin.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text in.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}

// URL is a URL that may hold credentials. It prints, logs and marshals as scheme, host and path only, for user
// information and queries are where credentials are. The zero value is none.
type URL struct{ text *string } // not a *url.URL, which package fmt would look into even in a private field

// errURL does not show the value: what cannot be parsed may hold a password all the same.
var errURL = errors.New("is not a URL with a scheme; characters like @ : / # % in a password must be written as %XX")

// ParseURL reads an absolute URL. Errors: it is none; the value is not shown.
func ParseURL(text string) (URL, error) {
	text = strings.TrimSpace(text)
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return URL{}, errURL
	}
	return URL{&text}, nil
}

// Reveal returns the whole URL: call it where it is used, and nowhere else.
func (u URL) Reveal() string {
	if u.text == nil {
		return ""
	}
	return *u.text
}

// URL returns the whole URL; nil for none. It is as secret as what Reveal returns.
func (u URL) URL() *url.URL {
	if u.text == nil {
		return nil
	}
	parsed, err := url.Parse(*u.text)
	if err != nil { // ParseURL would have refused it
		return nil
	}
	return parsed
}

// IsZero reports whether there is none.
func (u URL) IsZero() bool { return u.text == nil }

// String returns scheme, host and path; "" for none.
func (u URL) String() string {
	whole := u.URL()
	if whole == nil {
		return ""
	}
	return (&url.URL{Scheme: whole.Scheme, Host: whole.Host, Path: whole.Path}).String()
}

// Format shows every verb of package fmt what String returns.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue shows package log/slog what String returns.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText shows JSON and its kin what String returns.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is [ParseURL].
func (u *URL) UnmarshalText(b []byte) (err error) {
	*u, err = ParseURL(string(b))
	return err
}

// KeyBytes is how long an encryption key is: AES-256.
const KeyBytes = 32

// Key is one encryption key.
type Key struct {
	// ID names the key beside what it sealed.
	ID     string
	secret Secret // the bytes
}

// NewKey returns a key. Errors: an id that is not 1 to 32 of a-z, 0-9, "-" and "_"; bytes that are not KeyBytes long.
func NewKey(id string, bytes []byte) (Key, error) {
	switch {
	case id == "" || len(id) > 32 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return Key{}, errors.New("has a key whose id is not 1 to 32 of a-z, 0-9, - and _; write id:base64")
	case len(bytes) != KeyBytes:
		return Key{}, fmt.Errorf("has a key %q of %d bytes, not %d; make one with `openssl rand -base64 %d`",
			id, len(bytes), KeyBytes, KeyBytes)
	}
	return Key{ID: id, secret: NewSecret(string(bytes))}, nil
}

// Reveal returns the key's bytes: call it where they are used, and nowhere else.
func (k Key) Reveal() []byte { return []byte(k.secret.Reveal()) }

// String shows the id only.
func (k Key) String() string { return k.ID + ":" + redacted }

// Format shows every verb of package fmt what String returns.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// MarshalText shows JSON and its kin what String returns.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Keys are the encryption keys: the first seals, all of them open.
type Keys []Key

// ParseKeys reads id:base64, separated by commas, in standard or URL-safe base64 with or without padding. Errors name
// the key by its id, or by its place, and never show it.
func ParseKeys(text string) (Keys, error) {
	var keys Keys
	for i, part := range split(text) {
		id, encoded, ok := strings.Cut(part, ":")
		if !ok {
			return nil, fmt.Errorf("has no id in entry %d; write id:base64", i+1)
		}
		encoded = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(strings.TrimSpace(encoded), "="))
		bytes, err := base64.RawStdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("is not base64 in entry %d", i+1)
		}
		key, err := NewKey(strings.TrimSpace(id), bytes)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(keys, func(k Key) bool { return k.ID == key.ID }) {
			return nil, fmt.Errorf("has two keys with the id %q", key.ID)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// UnmarshalText is [ParseKeys].
func (k *Keys) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKeys(string(b))
	return err
}

// split cuts a list at its commas and drops what is empty.
func split(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
