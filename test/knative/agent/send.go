package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// order is what to send.
type order struct {
	URL    string            `json:"url"`
	Header map[string]string `json:"header"` // such as Authorization, or ce-tenant
	Type   string            `json:"type"`
	Prefix string            `json:"prefix"` // the ids are PREFIX-0, PREFIX-1, ...
	Count  int               `json:"count"`
	// Over is the time to send them in, evenly; "0s": as fast as it goes.
	Over string `json:"over"`
	// Patience is how long each is sent again while it is not accepted.
	Patience string `json:"patience"`
}

// sent is what became of it.
type sent struct {
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"` // when the last one was accepted
	// LastSent is when the last one was sent for the first time.
	LastSent time.Time       `json:"last_sent"`
	Accepted []acceptedEvent `json:"accepted"`
	// Refusals is how many answers were not 2xx, by status; 0 for none at all.
	Refusals map[int]int `json:"refusals"`
	// Missing are those that nobody accepted.
	Missing []string `json:"missing"`
}

type acceptedEvent struct {
	ID    string    `json:"id"`
	Sent  time.Time `json:"sent"`  // for the first time
	Taken time.Time `json:"taken"` // when 2xx came back
}

// producers is how many events are under way at most.
const producers = 256

func send(w http.ResponseWriter, req *http.Request) {
	var o order
	if err := json.NewDecoder(req.Body).Decode(&o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	over, err := time.ParseDuration(o.Over)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	patience, err := time.ParseDuration(o.Patience)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := &producer{
		order: o, patience: patience, result: sent{Began: time.Now(), Refusals: make(map[int]int)},
		client: &http.Client{
			Timeout:   35 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: producers, IdleConnTimeout: 30 * time.Second},
		},
	}
	p.all(over)
	p.client.CloseIdleConnections()
	reply(w, p.result)
}

type producer struct {
	order    order
	patience time.Duration
	client   *http.Client

	mu     sync.Mutex
	result sent
}

// all sends them, each when its time has come, whatever has become of the others.
func (p *producer) all(over time.Duration) {
	free := make(chan struct{}, producers)
	var wg sync.WaitGroup
	for i := range p.order.Count {
		due := p.result.Began.Add(over / time.Duration(max(p.order.Count, 1)) * time.Duration(i))
		<-time.After(time.Until(due))
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			p.one(fmt.Sprintf("%s-%d", p.order.Prefix, i))
		})
	}
	wg.Wait()
	p.result.Ended = time.Now()
}

// one sends an event until it is accepted: the same id, as a producer who must not lose it does.
func (p *producer) one(id string) {
	first := time.Now()
	pause := 50 * time.Millisecond
	for {
		status := p.post(id)
		now := time.Now()
		p.mu.Lock()
		if first.After(p.result.LastSent) {
			p.result.LastSent = first
		}
		over := now.Sub(first) > p.patience
		switch {
		case status/100 == 2:
			p.result.Accepted = append(p.result.Accepted, acceptedEvent{id, first, now})
		case over:
			p.result.Missing = append(p.result.Missing, id)
			fallthrough
		default:
			p.result.Refusals[status]++
		}
		p.mu.Unlock()
		if status/100 == 2 || over {
			return
		}
		<-time.After(pause)
		pause = min(2*pause, time.Second)
	}
}

// post sends an event once and returns the status; 0 when there was no answer.
func (p *producer) post(id string) int {
	req, err := http.NewRequest(http.MethodPost, p.order.URL, strings.NewReader(fmt.Sprintf(`{"order":%q}`, id)))
	if err != nil {
		return 0
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": id, "ce-source": "/e2e",
		"ce-type": p.order.Type, "ce-time": time.Now().UTC().Format(time.RFC3339Nano),
	} {
		req.Header.Set(name, value)
	}
	for name, value := range p.order.Header {
		req.Header.Set(name, value)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}
