package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// secured is a server whose certificate is for a name until a moment, and a file by which it is known.
func secured(t *testing.T, name string, until time.Time) (url, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	file = filepath.Join(t.TempDir(), "issuer.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1), file
}

// TestDoctorLooksAtCertificates: it says whether the server's certificate is good, for how long, and how to mend it.
func TestDoctorLooksAtCertificates(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		name    string
		left    time.Duration
		unknown bool
		status  string
		mend    string
	}{
		"Good":          {"localhost", 90 * day, false, "ok", ""},
		"EndsSoon":      {"localhost", 3 * day, false, "warning", "renew it"},
		"HasEnded":      {"localhost", -time.Minute, false, "failed", "valid for localhost"},
		"OfAnotherName": {"other.example", 90 * day, false, "failed", "valid for localhost"},
		"UnknownIssuer": {"localhost", 90 * day, true, "failed", "its issuer known here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, file := secured(t, c.name, time.Now().Add(c.left))
			env := environ("HOMING_SERVER="+url, "HOMING_API_KEY=hmk_x", "SSL_CERT_DIR="+t.TempDir())
			if !c.unknown {
				env = append(env, "SSL_CERT_FILE="+file)
			}
			got := looked(t, env)
			require.Equal(t, c.status, got.Status, got.Detail)
			require.Contains(t, got.Mend, c.mend)
		})
	}
	got := looked(t, environ("HOMING_SERVER=http://localhost:1", "HOMING_API_KEY=hmk_x"))
	require.Equal(t, "skipped", got.Status, "what stays on this machine")
	got = looked(t, environ("HOMING_SERVER=http://192.0.2.1:1", "HOMING_API_KEY=hmk_x"))
	require.Equal(t, "warning", got.Status)
	require.Contains(t, got.Mend, "use https://")
}

// tlsCheck is what the doctor says of the certificate.
type tlsCheck struct{ Check, Status, Detail, Mend string }

func looked(t *testing.T, env []string) tlsCheck {
	t.Helper()
	var checks []tlsCheck
	out := exits(t, env, "", "doctor", "-o", "json").out
	require.NoError(t, json.Unmarshal([]byte(out), &checks), out)
	for _, c := range checks {
		if c.Check == "tls" {
			return c
		}
	}
	require.Fail(t, "the certificate is not looked at")
	return tlsCheck{}
}
