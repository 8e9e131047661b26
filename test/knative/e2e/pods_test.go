//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// services are all of Homing's.
var services = []string{"ingest", "ingest-broker", "deliver", "retry", "manage"}

// podLife is when a pod of a service was what, as the watch saw it; zero for what has not been.
type podLife struct {
	service, revision                 string
	created, ready, terminating, gone time.Time
}

// podWatch follows the pods of all services.
type podWatch struct {
	mu   sync.Mutex
	pods map[types.UID]*podLife
}

// watchPods follows them until the test ends. A watch that the server ends is begun again.
func watchPods(t *testing.T) *podWatch {
	w := &podWatch{pods: make(map[types.UID]*podLife)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.follow(ctx)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func (w *podWatch) follow(ctx context.Context) {
	cmd := exec.CommandContext(ctx, "kubectl", "get", "pods", "-n", namespace, "-l", "serving.knative.dev/service",
		"--watch", "--output-watch-events", "-o", "json")
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	defer func() { _ = cmd.Wait() }()
	events := json.NewDecoder(out)
	for {
		var e struct {
			Type   string     `json:"type"`
			Object corev1.Pod `json:"object"`
		}
		if events.Decode(&e) != nil {
			return
		}
		w.note(e.Type, &e.Object)
	}
}

func (w *podWatch) note(event string, pod *corev1.Pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	p := w.pods[pod.UID]
	if p == nil {
		p = &podLife{
			service: pod.Labels["serving.knative.dev/service"], revision: pod.Labels["serving.knative.dev/revision"],
			created: now,
		}
		w.pods[pod.UID] = p
	}
	ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	if ready && p.ready.IsZero() {
		p.ready = now
	}
	if pod.DeletionTimestamp != nil && p.terminating.IsZero() {
		p.terminating = now
	}
	if event == "DELETED" {
		p.gone = now
		if p.terminating.IsZero() {
			p.terminating = now
		}
	}
}

// replicas is how many pods of a service served at a time.
func (w *podWatch) replicas(service string, at time.Time) (n int) {
	return w.tally(func(p *podLife) int {
		if p.service == service && !p.ready.IsZero() && !p.ready.After(at) &&
			(p.terminating.IsZero() || p.terminating.After(at)) {
			return 1
		}
		return 0
	})
}

// wanted is how many pods of a service there are that are not to end.
func (w *podWatch) wanted(service string) int {
	return w.tally(func(p *podLife) int {
		if p.service == service && p.terminating.IsZero() {
			return 1
		}
		return 0
	})
}

// peak is the most that served at once.
func (w *podWatch) peak(service string, from, to time.Time) (most int) {
	for at := from; at.Before(to); at = at.Add(250 * time.Millisecond) {
		most = max(most, w.replicas(service, at))
	}
	return most
}

// seconds is for how long pods of a service were there, whatever they did, in seconds of pods.
func (w *podWatch) seconds(service string, from, to time.Time) float64 {
	var sum time.Duration
	w.tally(func(p *podLife) int {
		end := p.gone
		if end.IsZero() || end.After(to) {
			end = to
		}
		begin := p.created
		if begin.Before(from) {
			begin = from
		}
		if p.service == service && end.After(begin) {
			sum += end.Sub(begin)
		}
		return 0
	})
	return sum.Seconds()
}

func (w *podWatch) tally(of func(*podLife) int) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		n += of(p)
	}
	return n
}

// zero waits until no pod of these services is to live on, and returns when each had none for the first time.
func (c *cluster) zero(within time.Duration, services ...string) map[string]time.Time {
	c.t.Helper()
	first := make(map[string]time.Time)
	c.wait(within, "no pods", func() bool {
		none := 0
		for _, s := range services {
			if c.pods.wanted(s) > 0 {
				continue
			}
			none++
			if first[s].IsZero() {
				first[s] = time.Now()
			}
		}
		return none == len(services)
	})
	return first
}
