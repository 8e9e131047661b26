package dispatch

import (
	"crypto/tls"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/homing-hooks/homing/pkg/webhook"
)

// timing notes when the phases of an attempt begin and end, in nanoseconds since its start; 0 means not yet. Its
// fields are atomic because net/http may go on with a connection, and say so, after the attempt has ended with
// another one.
type timing struct {
	start                      time.Time
	lookup, connect, handshake span
	connected, answered        atomic.Int64
}

type span struct{ begin, end atomic.Int64 }

func (t *timing) now() int64 { return max(int64(time.Since(t.start)), 1) }

// trace returns the hooks by which net/http tells of the phases.
func (t *timing) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { t.lookup.open(t.now()) },
		DNSDone:              func(httptrace.DNSDoneInfo) { t.lookup.end.Store(t.now()) },
		ConnectStart:         func(string, string) { t.connect.open(t.now()) },
		ConnectDone:          func(string, string, error) { t.connect.end.Store(t.now()) },
		TLSHandshakeStart:    func() { t.handshake.open(t.now()) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { t.handshake.end.Store(t.now()) },
		GotConn:              func(httptrace.GotConnInfo) { t.connected.Store(t.now()) },
		GotFirstResponseByte: func() { t.answered.Store(t.now()) },
	}
}

// open begins a span, unless it has: a name with several addresses is connected to several times.
func (s *span) open(at int64) { s.begin.CompareAndSwap(0, at) }

// running reports whether the span has begun and not ended.
func (s *span) running() bool { return s.begin.Load() != 0 && s.end.Load() == 0 }

// length returns how long the span took, or has taken at now.
func (s *span) length(now int64) time.Duration {
	begin, end := s.begin.Load(), s.end.Load()
	switch {
	case begin == 0:
		return 0
	case end == 0:
		return time.Duration(max(now-begin, 0))
	default:
		return time.Duration(end - begin)
	}
}

// latency returns the phases of an attempt that has ended.
func (t *timing) latency() webhook.Latency {
	now := t.now()
	l := webhook.Latency{
		DNS: t.lookup.length(now), Connect: t.connect.length(now), TLS: t.handshake.length(now), Total: time.Duration(now),
	}
	if connected, answered := t.connected.Load(), t.answered.Load(); connected != 0 {
		if answered == 0 {
			answered = now
		}
		l.FirstByte = time.Duration(max(answered-connected, 0))
	}
	return l
}

// sent reports whether a connection was had, and so whether something may have been sent.
func (t *timing) sent() bool { return t.connected.Load() != 0 }

// late returns what an attempt that ran out of time was waiting for, "" when it was the answer.
func (t *timing) late() string {
	switch {
	case t.sent():
		return ""
	case t.handshake.running():
		return "the TLS handshake took too long"
	case t.connect.running():
		return "connecting took too long"
	case t.lookup.running():
		return "looking up the name took too long"
	default:
		return ""
	}
}
