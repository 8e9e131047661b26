package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/client"
)

func TestColoursAreForTerminalsOnly(t *testing.T) {
	t.Parallel()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, terminal.Close()) }()
	file, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	for name, c := range map[string]struct {
		environ []string
		to      *os.File
		want    bool
	}{
		"Terminal":     {[]string{"TERM=xterm"}, terminal, true},
		"NoColor":      {[]string{"TERM=xterm", "NO_COLOR=1"}, terminal, false},
		"EmptyNoColor": {[]string{"TERM=xterm", "NO_COLOR="}, terminal, true},
		"DumbTerminal": {[]string{"TERM=dumb"}, terminal, false},
		"File":         {[]string{"TERM=xterm"}, file, false},
	} {
		require.Equal(t, c.want, (&app{environ: c.environ}).colours(c.to), name)
	}
	require.False(t, (&app{}).colours(&bytes.Buffer{}))
}

func TestTablesAreAlignedAlsoInColour(t *testing.T) {
	t.Parallel()
	rows := newTable("ID", "STATE", "NAME")
	rows.row("1", "succeeded", "ü")
	rows.row("22", "exhausted (gone)", "")
	var text, colour bytes.Buffer
	require.NoError(t, rows.write(&text))
	require.Equal(t, "ID  STATE             NAME\n1   succeeded         ü\n22  exhausted (gone)\n", text.String())
	require.NoError(t, rows.write(colourful{&colour}))
	require.Contains(t, colour.String(), green+"succeeded"+plain+"         ü")
	require.Contains(t, colour.String(), red+"exhausted (gone)"+plain)
}

func TestTextFromElsewhereCannotDriveATerminal(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\uFFFD[31mb\uFFFD\nü", safe("a\x1b[31mb\u009b\nü"))
}

func TestErrorsNameTheFlag(t *testing.T) {
	t.Parallel()
	for field, flag := range map[string]string{
		"url": "--url", "schedule[2]": "--schedule [2]", "rate_per_second": "--rate", "headers.X-A": "--header X-A",
		"Homing-Tenant": "--tenant", "[0].source": "--source", "[1].source": "[1].source", "scopes[0]": "--scopes [0]",
	} {
		require.Equal(t, flag, flagOf(field), field)
	}
	a := newApp()
	a.began = true
	err := error(&client.Problem{Title: "T", Status: 403, Detail: "D"})
	require.Contains(t, a.say(err), "T: D\n")
	require.Contains(t, a.say(err), "--scopes")
	require.Equal(t, exitFailed, a.exitCode(errors.New("anything else")))
}

func TestAnswered(t *testing.T) {
	t.Parallel()
	for answer, yes := range map[string]bool{
		"y\n": true, "Yes\n": true, "y": true, "\n": false, "": false, "n\n": false, "yesterday\n": false,
	} {
		var asked bytes.Buffer
		err := answered(strings.NewReader(answer), &asked, "Erase it?")
		require.Equal(t, yes, err == nil, "%q: %v", answer, err)
		require.Equal(t, "Erase it? [y/N] ", asked.String())
	}
}

func TestNobodyIsAskedWhereThereIsNoTerminal(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	require.NoError(t, err)
	named := os.NewFile(uintptr(fd), "/dev/stdin") // as the runtime names it
	defer func() { require.NoError(t, named.Close()) }()
	require.False(t, isTerminal(named), "standard input that is empty is no terminal")
	var asked bytes.Buffer
	require.ErrorContains(t, confirm(named, &asked, "Erase it?", "say --yes"), "say --yes")
	require.Empty(t, asked.String())
}
