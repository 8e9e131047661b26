package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// terminal returns a terminal to write to, and what shows what was written there.
func terminal(t *testing.T) (tty *os.File, shown func() string) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = screen.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tty.Close() })
	return tty, func() string {
		const end = "|end|"
		_, err := tty.WriteString(end)
		require.NoError(t, err)
		var all []byte
		for b := make([]byte, 4096); !bytes.HasSuffix(all, []byte(end)); {
			n, err := screen.Read(b)
			require.NoError(t, err)
			all = append(all, b[:n]...)
		}
		return string(bytes.TrimSuffix(all, []byte(end)))
	}
}

// TestProgressIsForTerminalsOnly: on a terminal long work counts in one line, and leaves nothing behind; elsewhere, and
// for short work, it says nothing.
func TestProgressIsForTerminalsOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		total int
		work  func(p *progress)
		want  string
	}{
		"Long":      {120, steps(120), "\rsent 50 of 120\rsent 100 of 120\r\x1b[K"},
		"Endless":   {0, steps(60), "\rsent 50\r\x1b[K"},
		"Short":     {49, steps(49), ""},
		"Elsewhere": {9, func(p *progress) { p.at(5, "running"); p.clear() }, "\rsent 5 of 9, running\x1b[K\r\x1b[K"},
		"Uncounted": {0, func(p *progress) { p.at(5, "paused") }, "\rsent 5, paused\x1b[K"},
	} {
		tty, shown := terminal(t)
		cmd := &cobra.Command{}
		cmd.SetErr(tty)
		c.work((&app{}).progress(cmd, "sent", c.total))
		require.Equal(t, c.want, shown(), name)
		var file bytes.Buffer
		cmd.SetErr(&file)
		c.work((&app{}).progress(cmd, "sent", c.total))
		require.Empty(t, file.String(), name)
	}
}

// steps is work of so many steps.
func steps(n int) func(p *progress) {
	return func(p *progress) {
		for range n {
			p.step()
		}
		p.end()
	}
}
