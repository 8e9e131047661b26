package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// order is what the receiver is told. Any but the zero Op begins a new count.
type order struct {
	// Op is "count" (begin a new count), "stats" or "retries".
	Op string
	// First is the number of the first event counted; Fan how many endpoints each goes to.
	First int64
	Fan   int
	// Delay is how long the receiver takes to answer.
	Delay time.Duration
	// FailOneIn makes the first attempt of every such event fail with 500; 0: none.
	FailOneIn int64
}

// received is the receiver's answer.
type received struct {
	Addr string `json:",omitempty"`
	// Distinct counts each event once for each of its endpoints, Posts counts all that was received, Failed what was
	// answered with 500, Stray what belongs to no count, Hanging the POSTs that will not be answered.
	Distinct, Posts, Failed, Stray, Hanging int64
	// Last is the arrival of the last POST that was new.
	Last    time.Time
	Latency summary
	// Retries are the arrivals of second attempts, by event, in ns since 1970.
	Retries map[int64]int64 `json:",omitempty"`
}

// receiveMain is the sub-command: one order a line in, one answer a line out. The first line out is the address.
func receiveMain(ctx context.Context, in io.Reader, out io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	r := &receiver{}
	r.count.Store(newCount(&order{Fan: 1}))
	go r.accept(listener)
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	if err := answers.Encode(received{Addr: listener.Addr().String()}); err != nil {
		return err
	}
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if o.Op == "count" {
			r.count.Store(newCount(&o))
		}
		if err := answers.Encode(r.count.Load().stats(o.Op == "retries", r.hanging.Load())); err != nil {
			return err
		}
	}
}

type receiver struct {
	count   atomic.Pointer[count]
	hanging atomic.Int64
}

// count is what is known of the POSTs of one load.
type count struct {
	order
	latency              histogram
	posts, failed, stray atomic.Int64

	mu       sync.Mutex
	seen     []uint64 // a bit for each event and endpoint
	distinct int64
	last     time.Time
	retries  map[int64]int64
}

func newCount(o *order) *count {
	c := &count{order: *o, retries: make(map[int64]int64)}
	c.Fan = max(c.Fan, 1)
	return c
}

// mostCounted bounds the memory for what was seen.
const mostCounted = 1 << 28

// take counts a POST and says whether it succeeds. endpoint is which of the event's endpoints it came to.
func (c *count) take(body []byte, endpoint, attempt int) bool {
	now := time.Now()
	if len(body) < len(bodyHead) {
		c.stray.Add(1)
		return true
	}
	number := digits(body[bodyNumber : bodyNumber+12])
	sent := digits(body[bodyTime : bodyTime+19])
	at := (number-c.First)*int64(c.Fan) + int64(endpoint%c.Fan)
	if number < c.First || at < 0 || at >= mostCounted {
		c.stray.Add(1)
		return true
	}
	c.posts.Add(1)
	if c.FailOneIn > 0 && number%c.FailOneIn == 0 && attempt == 1 {
		c.failed.Add(1)
		return false
	}
	if attempt == 1 {
		c.latency.add(time.Duration(now.UnixNano() - sent))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for int(at/64) >= len(c.seen) {
		c.seen = append(c.seen, make([]uint64, max(len(c.seen), 1024))...)
	}
	if bit := uint64(1) << (at % 64); c.seen[at/64]&bit == 0 {
		c.seen[at/64] |= bit
		c.distinct++
		c.last = now
	}
	if attempt == 2 {
		c.retries[number] = now.UnixNano()
	}
	return true
}

func (c *count) stats(retries bool, hanging int64) received {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := received{
		Distinct: c.distinct, Posts: c.posts.Load(), Failed: c.failed.Load(), Stray: c.stray.Load(), Hanging: hanging,
		Last: c.last, Latency: c.latency.summary(),
	}
	if retries {
		s.Retries = c.retries
	}
	return s
}

func (r *receiver) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go r.serve(c)
	}
}

var (
	answerOK   = []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok")
	answerFail = []byte("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nfail")
)

// serve answers the POSTs of one connection. The path is /e/<endpoint>, or /hang, which is never answered, or /bare,
// which is answered at once and not counted.
func (r *receiver) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	var m message
	buffer := make([]byte, payloadSize)
	for {
		if readHead(in, &m) != nil {
			return
		}
		body, err := readBody(in, &m, buffer)
		if err != nil {
			return
		}
		path, _, _ := bytes.Cut(bytes.TrimPrefix(m.first, []byte("POST ")), []byte(" "))
		if bytes.Equal(path, []byte("/hang")) {
			r.hanging.Add(1)
			_, _ = in.ReadByte() // until the sender gives up
			return
		}
		if bytes.Equal(path, []byte("/bare")) {
			if _, err := c.Write(answerOK); err != nil {
				return
			}
			continue
		}
		endpoint, _ := strconv.Atoi(string(bytes.TrimPrefix(path, []byte("/e/"))))
		count := r.count.Load()
		if count.Delay > 0 {
			<-time.After(count.Delay)
		}
		answer := answerOK
		if !count.take(body, endpoint, max(m.attempt, 1)) {
			answer = answerFail
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}
