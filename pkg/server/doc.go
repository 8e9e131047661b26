// Package server is the HTTP server that every function has, the order in which a process starts and ends, and the
// way errors look over HTTP.
//
// It owns three paths, which go before the function's own:
//
//	/healthz  200 as long as the process serves at all
//	/readyz   200 when it can do its work; 503 with the reason when not, and from the moment it is told to end
//	/metrics  the metrics; at an address of their own when one is given
//
// It promises:
//
//   - The address is taken before anything is served, so ":0" is possible and [Server.Addr] known; a port that is in
//     use is an error that names the setting.
//   - HTTP/1.1 and HTTP/2 without TLS (h2c, with prior knowledge) on one port, as Knative's queue-proxy wants them.
//   - A client that sends slowly cannot hold a connection for ever: headers, bodies and idle connections have limits.
//     What takes long is the handler's own business, for requests to deliver and retry are held on purpose.
//   - Ending is in order: unready, a pause if one is wanted, no more new connections, what is in flight is finished
//     up to a deadline, and only then is it cut off.
//   - A panic of a handler is logged with its stack, and is an answer 500 for its own request only.
//   - Errors are problem documents (RFC 9457). One table, in problem.go, says which error has which type and status,
//     and it is read in both directions. What is not in the table is "internal", and its text stays here.
//
// It never decides what a function does, and never reads the environment.
//
// Main programs pass [Run] the context of knative.dev/pkg/signals: it ends on the first SIGTERM or SIGINT, and the
// second one ends the process at once with status 1.
package server
