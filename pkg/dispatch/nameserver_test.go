package dispatch

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// nameserver is a DNS server with one name, which means the next of its answers each time that it is asked for IPv4
// addresses, and the last one from then on.
type nameserver struct {
	conn net.PacketConn
	mu   sync.Mutex
	// answers; nil stands for a name that does not exist, an empty one for no answer at all.
	answers [][]netip.Addr
}

// newResolver returns a resolver that asks a nameserver of the test and nobody else.
func newResolver(tb testing.TB, answers ...[]netip.Addr) *net.Resolver {
	tb.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(tb, err)
	s := &nameserver{conn: conn, answers: answers}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	// A lookup goes on for seconds after those who wanted it have gone, so its connections are closed as well.
	var mu sync.Mutex
	var asking []net.Conn
	tb.Cleanup(func() {
		_ = conn.Close()
		<-done
		mu.Lock()
		defer mu.Unlock()
		for _, c := range asking {
			_ = c.Close()
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "udp", conn.LocalAddr().String())
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			asking = append(asking, c)
		}
		return c, err
	}}
}

func (s *nameserver) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		if answer, ok := s.answer(query); ok {
			if packed, err := answer.Pack(); err == nil {
				_, _ = s.conn.WriteTo(packed, from)
			}
		}
	}
}

func (s *nameserver) answer(query dnsmessage.Message) (dnsmessage.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	question := query.Questions[0]
	addrs := s.answers[0]
	if question.Type == dnsmessage.TypeA && len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	switch {
	case addrs == nil:
		answer.RCode = dnsmessage.RCodeNameError
	case len(addrs) == 0:
		return answer, false
	}
	for _, addr := range addrs {
		header := dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: dnsmessage.ClassINET}
		switch {
		case addr.Is4() && question.Type == dnsmessage.TypeA:
			answer.Answers = append(answer.Answers,
				dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case addr.Is6() && question.Type == dnsmessage.TypeAAAA:
			answer.Answers = append(answer.Answers,
				dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
		}
	}
	return answer, true
}
