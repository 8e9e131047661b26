package homingtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// Process is a running Homing: in this process, or one of the built programs.
type Process struct {
	t    testing.TB
	Base string // http://host:port
	// Scrapes is the base URL of /metrics where that has an address of its own, as on Knative.
	Scrapes string
	Log     *telemetrytest.Log
	end     func() error
	once    sync.Once

	command    *exec.Cmd
	terminated sync.Once
	Exited     chan struct{} // closed when the program has ended
}

// Client makes requests to processes. It keeps no connections, which would be goroutines that outlive their test.
var Client = &http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}

// Spawn runs a built program with the settings of the installation, and returns when it answers requests.
func (h *Installation) Spawn(program string, args ...string) *Process {
	h.T.Helper()
	listening := make(chan string, 1)
	log := new(telemetrytest.Log)
	p := &Process{t: h.T, Log: log, Exited: make(chan struct{})}
	p.command = exec.Command(filepath.Join(h.programs(), program), args...)
	p.command.Env = Environment(h.Settings)
	output := &lines{log: log, line: func(line string) { announced(line, listening) }}
	p.command.Stdout, p.command.Stderr = output, output
	require.NoError(h.T, p.command.Start())
	go func() {
		_ = p.command.Wait() // its state has the exit code
		close(p.Exited)
	}()
	p.end = p.await
	p.stopWithTest()
	select {
	case address := <-listening:
		p.Base = "http://" + address
	case <-p.Exited:
		require.Fail(h.T, "the program ended", "%s %v:\n%s", program, args, log)
	case <-time.After(Patience):
		require.Fail(h.T, "the program does not listen", "%s %v:\n%s", program, args, log)
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
func (p *Process) stopWithTest() {
	p.t.Cleanup(func() {
		p.Stop()
		if p.t.Failed() {
			p.t.Logf("what %s said at the end, but for attempts that succeeded:\n%s", p.Base, lastWords(p.Log.String()))
		}
	})
}

// lastWords is the end of a log, without the thousands of attempts that succeeded: few enough lines that the reason of
// a failure, which stands above them, is found.
func lastWords(log string) string {
	const most = 100
	said := slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		return strings.Contains(line, `"msg":"attempt"`) && strings.Contains(line, `"outcome":"success"`)
	})
	return strings.Join(said[max(0, len(said)-most):], "\n")
}

// Stop ends the process in order, and waits for it; for a program it is SIGTERM.
func (p *Process) Stop() {
	p.t.Helper()
	p.once.Do(func() {
		if err := p.end(); err != nil {
			p.t.Errorf("stop %s: %v", p.Base, err)
		}
	})
}

// Terminate sends SIGTERM, once: a second one would end the program at once.
func (p *Process) Terminate() {
	p.terminated.Do(func() { _ = p.command.Process.Signal(syscall.SIGTERM) }) // it may have ended
}

// Kill ends a program with SIGKILL, as a crash does, and waits until it is gone.
func (p *Process) Kill() {
	p.t.Helper()
	p.once.Do(func() {
		require.NoError(p.t, p.command.Process.Kill())
		<-p.Exited
	})
}

// Freeze stops a program as a stalled machine does: it keeps what it has, and does nothing until thaw is called, at the
// end of the test at the latest.
func (p *Process) Freeze() (thaw func()) {
	p.t.Helper()
	require.NoError(p.t, p.command.Process.Signal(syscall.SIGSTOP))
	thaw = sync.OnceFunc(func() { _ = p.command.Process.Signal(syscall.SIGCONT) }) // it may have been killed
	p.t.Cleanup(thaw)
	return thaw
}

// await ends the program with SIGTERM and waits. Errors: an exit code that is not 0, or a program that does not end.
func (p *Process) await() error {
	p.Terminate()
	select {
	case <-p.Exited:
	case <-time.After(Patience):
		_ = p.command.Process.Signal(syscall.SIGQUIT) // it says what its goroutines are at
		<-p.Exited
		return errors.New("it had to be killed")
	}
	if code := p.command.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// Listens reports whether the process takes connections.
func (p *Process) Listens() bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(p.Base, "http://"))
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// Running reports whether a program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.Exited:
		return false
	default:
		return true
	}
}

// Get returns what a path of the process answers.
func (p *Process) Get(path string) string {
	p.t.Helper()
	base := p.Base
	if path == "/metrics" && p.Scrapes != "" {
		base = p.Scrapes
	}
	res, err := Client.Get(base + path)
	require.NoError(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, res.StatusCode, "%s: %s", path, b)
	return string(b)
}

// Metric returns the sum of a metric over all its labels but those given (name, value, ...); of a histogram, the number
// of observations.
func (p *Process) Metric(name string, labels ...string) int {
	p.t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(p.Get("/metrics")))
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

// Ready asks the process whether it is ready.
func (p *Process) Ready() (status int, answer string) {
	p.t.Helper()
	res, err := Client.Get(p.Base + "/readyz")
	require.NoError(p.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(b)
}

// PeakMemory is the most memory that a program has had resident.
func (p *Process) PeakMemory() (bytes int) {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	require.NoError(p.t, err)
	_, rest, found := strings.Cut(string(b), "VmHWM:")
	require.True(p.t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(p.t, err)
	return kib << 10
}
