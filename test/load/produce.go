package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// job is one load for the producer to make. It ends after Duration or Count events, whichever is first.
type job struct {
	Addr, Key string
	// First is the number of the first event; each is an id of its own.
	First int64
	Count int64
	// Conns is how many connections send at once.
	Conns    int
	Duration time.Duration
	// Rate is how many events are sent each second whatever the answers do (open loop); 0: each connection sends its next
	// event when it has the answer to the last one (closed loop).
	Rate int
	// Types is over how many event types the events are spread in turn.
	Types int
	// Type is the prefix of the event types; OnlyType, when set, is the only one there is.
	Type     string
	OnlyType int
}

// produced is what came of a job.
type produced struct {
	Accepted, Refused int64
	Error             string
	Began, Ended      time.Time
	Latency           summary
}

// produceMain is the sub-command: one job a line in, one result a line out.
func produceMain(ctx context.Context, in io.Reader, out io.Writer) error {
	jobs, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j job
		if err := jobs.Decode(&j); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		p := newProducer(&j)
		if err := results.Encode(p.run(ctx)); err != nil {
			return err
		}
	}
}

type producer struct {
	job     *job
	turn    atomic.Int64
	end     time.Time
	latency histogram

	accepted, refused atomic.Int64
	mu                sync.Mutex
	fault             string
}

func newProducer(j *job) *producer { return &producer{job: j} }

func (p *producer) run(ctx context.Context) produced {
	began := time.Now()
	p.end = began.Add(p.job.Duration)
	ctx, cancel := context.WithDeadline(ctx, p.end)
	defer cancel()
	var plan chan time.Time
	if p.job.Rate > 0 {
		plan = make(chan time.Time, 1<<20)
		go p.pace(ctx, plan)
	}
	var work sync.WaitGroup
	for range p.job.Conns {
		work.Go(func() {
			if err := p.send(plan); err != nil {
				p.refused.Add(1)
				p.mu.Lock()
				p.fault = err.Error()
				p.mu.Unlock()
			}
		})
	}
	work.Wait()
	return produced{
		Accepted: p.accepted.Load(), Refused: p.refused.Load(), Error: p.fault, Began: began, Ended: time.Now(),
		Latency: p.latency.summary(),
	}
}

// pace says when the next event is to be sent. The time is that of waking up: how late a sleeping process wakes is not
// Homing's; what waits for a free connection after that is.
func (p *producer) pace(ctx context.Context, plan chan<- time.Time) {
	defer close(plan)
	began := time.Now()
	gap := time.Second / time.Duration(p.job.Rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			for ; began.Add(n * gap).Before(now); n++ {
				plan <- now
			}
			timer.Reset(time.Until(began.Add(n * gap)))
		}
	}
}

// send sends events over one connection until the job is over. Errors: what ended the connection, or an answer that is
// not 202.
func (p *producer) send(plan <-chan time.Time) error {
	c, err := net.Dial("tcp", p.job.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	e := newEnvelope(p.job)
	var answer message
	var body [2048]byte
	for {
		var at time.Time
		if plan != nil {
			planned, ok := <-plan
			if !ok {
				return nil
			}
			at = planned
		} else if at = time.Now(); at.After(p.end) {
			return nil
		}
		turn := p.turn.Add(1) - 1
		if p.job.Count > 0 && turn >= p.job.Count {
			return nil
		}
		if _, err := c.Write(e.request(p.job, turn, at)); err != nil {
			return err
		}
		if err := readHead(r, &answer); err != nil {
			return err
		}
		text, err := readBody(r, &answer, body[:])
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(answer.first, []byte("HTTP/1.1 202")) {
			return fmt.Errorf("%s: %s", answer.first, text)
		}
		p.latency.add(time.Since(at))
		p.accepted.Add(1)
	}
}

// envelope is a request whose changing parts have a fixed width and are written in place.
type envelope struct {
	bytes              []byte
	id, kind, at, data int
}

func newEnvelope(j *job) *envelope {
	const id, kind, at = "000000000000", "00000", "2006-01-02T15:04:05.000000Z"
	head := strings.Join([]string{
		"POST /v1/events HTTP/1.1", "Host: " + j.Addr, "Authorization: Bearer " + j.Key,
		"Content-Type: application/json", fmt.Sprintf("Content-Length: %d", payloadSize), "Ce-Specversion: 1.0",
		"Ce-Source: /load", "Ce-Time: " + at, "Ce-Id: " + id, "Ce-Type: " + j.Type + kind, "", "",
	}, "\r\n")
	return &envelope{
		bytes: append([]byte(head), newBody()...),
		id:    strings.Index(head, id),
		kind:  strings.Index(head, j.Type+kind) + len(j.Type),
		at:    strings.Index(head, at),
		data:  len(head),
	}
}

// request fills in the event of a turn, sent at a time.
func (e *envelope) request(j *job, turn int64, at time.Time) []byte {
	n := j.First + turn
	putDigits(e.bytes[e.id:e.id+12], n)
	kind := turn % int64(max(j.Types, 1))
	if j.OnlyType > 0 {
		kind = int64(j.OnlyType)
	}
	putDigits(e.bytes[e.kind:e.kind+5], kind)
	copy(e.bytes[e.at:], at.UTC().AppendFormat(make([]byte, 0, 32), "2006-01-02T15:04:05.000000Z"))
	putDigits(e.bytes[e.data+bodyNumber:e.data+bodyNumber+12], n)
	putDigits(e.bytes[e.data+bodyTime:e.data+bodyTime+19], at.UnixNano())
	return e.bytes
}

// typeName returns the event type of a turn, as the envelope writes it.
func typeName(prefix string, turn int) string { return fmt.Sprintf("%s%05d", prefix, turn) }
