// Package signature signs and verifies webhooks as Standard Webhooks 1.0.0 says ("Verifying webhook authenticity"),
// and owns the text forms of the keys.
//
// The signed bytes are id + "." + unix timestamp + "." + body. A v1 signature is their HMAC-SHA256, a v1a signature
// their Ed25519 signature (RFC 8032, pure). The webhook-signature header holds one signature for every secret of the
// endpoint, so that a receiver that knows any one of them can verify while keys are changed over.
//
// It promises that what [Signer] signs, every Standard Webhooks library verifies over exactly the bytes sent; that
// [Verifier] compares in constant time; and that no error or text of this package holds a key. It never does I/O
// besides reading random bytes in [NewSecret], never reads a clock, and never decides which secrets are still valid:
// the caller passes those.
package signature
