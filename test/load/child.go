package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// child is a process that dies with this one.
type child struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error
}

// start starts a command. The kernel kills it when the thread that started it ends, so that thread is kept.
func start(command *exec.Cmd) (*child, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c := &child{command: command, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			c.err = command.Wait()
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	return c, nil
}

func (c *child) pid() int { return c.command.Process.Pid }

// stop ends the process: it asks, and insists after a while. Errors: how the process ended, if not as asked.
func (c *child) stop() error {
	select {
	case <-c.done:
		return fmt.Errorf("%s ended by itself: %w", c.command.Path, c.err)
	default:
	}
	_ = c.command.Process.Signal(syscall.SIGTERM)
	const patience = 40 * time.Second
	select {
	case <-c.done:
		if exit, ok := errors.AsType[*exec.ExitError](c.err); ok && exit.Sys().(syscall.WaitStatus).Signaled() {
			return nil // by our own signal
		}
		return c.err
	case <-time.After(patience):
		_ = c.command.Process.Kill()
		<-c.done
		return fmt.Errorf("%s did not end within %s", c.command.Path, patience)
	}
}

// helper is a sub-command of this program that is given lines of JSON and answers each with one.
type helper struct {
	*child
	in  io.WriteCloser
	out *json.Decoder
}

func startHelper(name string) (*helper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.Command(self, name)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	reader, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command.Stdout = out
	c, err := start(command)
	_ = out.Close()
	if err != nil {
		return nil, err
	}
	return &helper{child: c, in: in, out: json.NewDecoder(reader)}, nil
}

// ask sends one line and reads the answer into it.
func (h *helper) ask(question, answer any) error {
	if question != nil {
		if err := json.NewEncoder(h.in).Encode(question); err != nil {
			return err
		}
	}
	return h.out.Decode(answer)
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
