package acceptance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/telemetry/telemetrytest"
)

// process is a running Homing: in this process, or one of the built programs.
type process struct {
	t    testing.TB
	base string // http://host:port
	log  *telemetrytest.Log
	end  func() error
	once sync.Once

	command    *exec.Cmd
	terminated sync.Once
	exited     chan struct{} // closed when the program has ended
}

// client makes requests to processes. It keeps no connections, which would be goroutines that outlive their test.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}

// spawn runs a built program with the settings of the installation, and returns when it answers requests.
func (h *installation) spawn(program string, args ...string) *process {
	h.t.Helper()
	listening := make(chan string, 1)
	log := new(telemetrytest.Log)
	p := &process{t: h.t, log: log, exited: make(chan struct{})}
	p.command = exec.Command(filepath.Join(binaries, program), args...)
	p.command.Env = environment(h.settings)
	output := &lines{log: log, line: func(line string) { announced(line, listening) }}
	p.command.Stdout, p.command.Stderr = output, output
	require.NoError(h.t, p.command.Start())
	go func() {
		_ = p.command.Wait() // its state has the exit code
		close(p.exited)
	}()
	p.end = p.await
	p.stopWithTest()
	select {
	case address := <-listening:
		p.base = "http://" + address
	case <-p.exited:
		require.Fail(h.t, "the program ended", "%s %v:\n%s", program, args, log)
	case <-time.After(patience):
		require.Fail(h.t, "the program does not listen", "%s %v:\n%s", program, args, log)
	}
	return p
}

// lines writes into a log and passes on each whole line.
type lines struct {
	log  *telemetrytest.Log
	line func(string)
	rest string
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest += string(b)
	for {
		line, rest, whole := strings.Cut(l.rest, "\n")
		if !whole {
			break
		}
		l.line(line)
		l.rest = rest
	}
	return l.log.Write(b)
}

// announced finds the line by which a process says where it listens.
func announced(line string, listening chan<- string) {
	var said struct{ Msg, Addr string }
	if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
		listening <- said.Addr
	}
}

// stopWithTest stops the process with the test, and shows what it said when the test has failed.
func (p *process) stopWithTest() {
	p.t.Cleanup(func() {
		p.stop()
		if p.t.Failed() {
			const most = 200_000
			text := p.log.String()
			p.t.Logf("what %s said at the end:\n%s", p.base, text[max(0, len(text)-most):])
		}
	})
}

// stop ends the process in order, and waits for it; for a program it is SIGTERM.
func (p *process) stop() {
	p.t.Helper()
	p.once.Do(func() {
		if err := p.end(); err != nil {
			p.t.Errorf("stop %s: %v", p.base, err)
		}
	})
}

// terminate sends SIGTERM, once: a second one would end the program at once.
func (p *process) terminate() {
	p.terminated.Do(func() { _ = p.command.Process.Signal(syscall.SIGTERM) }) // it may have ended
}

// kill ends a program with SIGKILL, as a crash does, and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.once.Do(func() {
		require.NoError(p.t, p.command.Process.Kill())
		<-p.exited
	})
}

// await ends the program with SIGTERM and waits. Errors: an exit code that is not 0, or a program that does not end.
func (p *process) await() error {
	p.terminate()
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.command.Process.Signal(syscall.SIGQUIT) // it says what its goroutines are at
		<-p.exited
		return errors.New("it had to be killed")
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// listens reports whether the process takes connections.
func (p *process) listens() bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(p.base, "http://"))
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// running reports whether a program has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// get returns what a path of the process answers.
func (p *process) get(path string) string {
	p.t.Helper()
	res, err := client.Get(p.base + path)
	require.NoError(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}

// metric returns the sum of a metric over all its labels but those given (name, value, ...); of a histogram, the number
// of observations.
func (p *process) metric(name string, labels ...string) int {
	p.t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(p.get("/metrics")))
	require.NoError(p.t, err)
	require.Contains(p.t, families, name)
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		have := make(map[string]string)
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		matches := true
		for i := 0; i+1 < len(labels); i += 2 {
			matches = matches && have[labels[i]] == labels[i+1]
		}
		if matches {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return int(sum)
}
