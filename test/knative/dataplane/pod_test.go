package dataplane_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
	"github.com/homing-hooks/homing/test/homingtest"
)

// pod is one of the broker's programs, started again whenever it ends, as the kubelet does (which waits longer).
type pod struct {
	t    testing.TB
	name string
	path string
	args []string
	env  []string
	log  *telemetrytest.Log

	mu      sync.Mutex
	process *os.Process
	starts  int
	deleted chan struct{} // closed when it is to end for good
	gone    chan struct{} // closed when it has
}

// Waits between restarts of a program that ends again and again.
const leastBackoff, mostBackoff = 100 * time.Millisecond, 2 * time.Second

// runPod runs a program until the test ends. It is killed then: the ingress would take 51 s to end in order.
func runPod(t testing.TB, name, program string, env []string, args ...string) *pod {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(programs, program))
	require.NoError(t, err)
	p := &pod{
		t: t, name: name, path: path, args: args, env: env, log: new(telemetrytest.Log),
		deleted: make(chan struct{}), gone: make(chan struct{}),
	}
	go p.keep()
	homingtest.Wait(t, homingtest.Patience, name+" is started", func() bool { return p.started() > 0 })
	t.Cleanup(p.delete)
	return p
}

func (p *pod) keep() {
	defer close(p.gone)
	for backoff := leastBackoff; ; backoff = min(2*backoff, mostBackoff) {
		began := time.Now()
		p.once()
		if time.Since(began) > 10*mostBackoff {
			backoff = leastBackoff
		}
		select {
		case <-p.deleted:
			return
		case <-time.After(backoff):
		}
	}
}

// once runs the program until it ends.
func (p *pod) once() {
	command := exec.Command(p.path, p.args...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH")}, p.env...)
	command.Stdout, command.Stderr = p.log, p.log
	p.mu.Lock()
	err := command.Start()
	p.process = command.Process
	p.starts++
	p.mu.Unlock()
	if err != nil {
		p.t.Errorf("start %s: %v", p.name, err)
		return
	}
	_ = command.Wait() // it ends as it likes
}

func (p *pod) started() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// signal sends a signal and waits until the program has ended and was started again.
func (p *pod) signal(s os.Signal) {
	p.t.Helper()
	before := p.started()
	p.send(s)
	homingtest.Wait(p.t, 2*homingtest.Patience, p.name+" is started again", func() bool { return p.started() > before })
}

// send sends a signal.
func (p *pod) send(s os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.process.Signal(s) // it may have ended
}

// delete ends it for good.
func (p *pod) delete() {
	close(p.deleted)
	p.send(os.Kill)
	<-p.gone
	if p.t.Failed() {
		const most = 4_000
		text := p.log.String()
		p.t.Logf("what %s said at the end:\n%s", p.name, text[max(0, len(text)-most):])
	}
}
