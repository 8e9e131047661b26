package simulation

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// rewriter stands between a store and its Postgres, and changes a text in the statements that pass. So the store that
// is tested is the product's, without a way in that only tests use.
type rewriter struct {
	from, to []byte
	// met counts the statements that were changed: a mutant whose text is not there any more shows nothing.
	met atomic.Int64
}

// between has connections go through the rewriter, and returns the URL for that.
func (w *rewriter) between(t *testing.T, server string) string {
	t.Helper()
	config, err := pgconn.ParseConfig(server)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.carry(client, config) })
		}
	})
	t.Cleanup(func() { // after the store is closed, and with it the connections
		_ = listener.Close()
		all.Wait()
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	query := u.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	u.Host, u.RawQuery = listener.Addr().String(), query.Encode()
	return u.String()
}

// carry carries one connection until either side ends it.
func (w *rewriter) carry(client net.Conn, config *pgconn.Config) {
	defer client.Close()
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	server, err := net.Dial(network, address)
	if err != nil {
		return // the client sees a connection that ends
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	for first := true; ; first = false {
		message, err := readMessage(client, first)
		if err != nil {
			return
		}
		if _, err := server.Write(w.changed(message)); err != nil {
			return
		}
	}
}

// readMessage reads one message of the frontend: its type, but for the first one, which has none; its length; the rest.
func readMessage(r io.Reader, first bool) ([]byte, error) {
	size := 5
	if first {
		size = 4
	}
	head := make([]byte, size)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[size-4:])
	const most = 1 << 24
	if length < 4 || length > most {
		return nil, errors.New("not a message")
	}
	message := make([]byte, size+int(length)-4)
	_, err := io.ReadFull(r, message[copy(message, head):])
	return message, err
}

// changed is a message with the text changed, if it has one to prepare.
func (w *rewriter) changed(message []byte) []byte {
	const parse = 'P'
	if message[0] != parse || !bytes.Contains(message, w.from) {
		return message
	}
	w.met.Add(1)
	message = bytes.ReplaceAll(message, w.from, w.to)
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)-1))
	return message
}
