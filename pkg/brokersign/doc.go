// Package brokersign signs events on their way through a broker, so that Homing knows that their producer may speak for
// the tenant that they name: whoever reaches the broker can write any name into an event.
//
// It owns the extension [Attribute] and what it covers: id, source, type, subject, time, tenant and data. It promises
// that a signature survives the RabbitMQ broker of Knative, which writes times anew and gives one to an event without;
// that a producer with the key of one tenant can sign for that tenant only; and that no key appears in an error or a
// printed value. It never fetches a key from anywhere, and never sees to it that an event is taken once: its identity
// (tenant, source and id) sees to that.
//
// What it does not cover: other extensions, the content type and the schema. One that is sent again unchanged is a
// duplicate for as long as Homing remembers identities.
//
// The signature is HMAC-SHA256 (RFC 2104), written as "v1." and unpadded base64url, over the label
// "homing broker signature v1" and each covered part in the order above, each preceded by its length in bytes as 8
// bytes, big-endian; the time is in UTC to the microsecond, as 2026-03-29T01:59:59.123456Z. The key of a tenant is
// derived from one secret by HKDF-SHA256 (RFC 5869) without salt, with "homing broker key v1:" and the tenant as info,
// 32 bytes.
package brokersign
