// Package dispatch makes one attempt: one signed HTTP POST of an event to an endpoint, and the guard that keeps it on
// the public internet.
//
// It owns what goes over the wire to endpoints (DESIGN section 4), what is kept of an answer, and which URLs,
// headers, addresses and ports are let through. It promises that every attempt ends with a [Result] within its
// timeout, with bounded memory whatever the endpoint answers; that the bytes signed are the bytes sent; and that no
// error and no detail holds a URL, the value of a header, a key or a payload. It never decides about retrying, never
// follows a redirect, never keeps cookies, never reads a proxy from the environment, and reads the clock for
// measuring only: what time it is comes with the [Request].
//
// # Sent once
//
// An attempt sends its request at most once. net/http sends requests again on its own when a kept connection turns
// out to be dead, if it takes them for harmless (GET, or any with an Idempotency-Key header, which endpoints
// therefore may not set) or has the means to make the body anew (GetBody, which is left out here). What remains in Go
// 1.26 (persistConn.shouldRetryRequest, http2shouldRetryRequest) are the cases in which nothing was written for the
// request: an HTTP/1.1 connection that was closed before the first byte of a request without body, and an HTTP/2
// connection that could not take one more stream. Bodiless requests over HTTP/2 would also be sent again after the
// server has reset them, so events without data travel by HTTP/1.1.
//
// The price: where a server closes a kept connection at the very moment at which the next POST leaves, the attempt is
// a connect_error. Over HTTP/2 that includes POSTs of which the server says that it has not taken them (GOAWAY,
// REFUSED_STREAM). The schedule makes up for it.
//
// # The guard
//
// The address is checked when the operating system is about to connect to it, after names have been resolved, so that
// a name that means something else by then (DNS rebinding) gets nowhere. All that is not the public internet is
// refused, and the addresses of the clouds' metadata services by name, unless the operator's allow-list names them;
// the operator's deny-list wins over everything. IPv4 addresses inside IPv6 ones count as what they are. Ports of
// other protocols than HTTP are refused at every address. Names are not looked up at registration, where the answer
// proves nothing.
package dispatch
