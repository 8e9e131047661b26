package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/homing-hooks/homing/pkg/client"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/store"
)

// The codes that homing exits with. They are a contract: scripts go by them.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitNotAllowed  = 4
	exitUnavailable = 5
	exitConflict    = 6
)

const exitCodesText = `homing exits with one of these codes:

  0  it went well
  1  it failed, for a reason that is none of the following
  2  it was called wrongly: an unknown command or flag, a value that is not valid, a setting that is wrong
  3  there is no such thing, or it is another tenant's
  4  not allowed: no valid API key, or one without the scope
  5  unavailable: no Homing or database answers, or it says to try again later
  6  conflict: it exists already, was changed meanwhile, or is in a state that does not allow it

Errors go to standard error: what is wrong, which flag is at fault, and how to mend it.`

const profilesText = `These say which Homing a command talks to, with which key, for which tenant; the strongest first:

  1. flags           --server, --key-file, --tenant; --profile chooses a profile
  2. environment     HOMING_SERVER, HOMING_API_KEY, HOMING_TENANT; HOMING_PROFILE chooses a profile
  3. a profile       in ~/.config/homing/config.yaml: see "homing profile"
  4. the data directory of "homing serve" on this machine, when it runs there and DATABASE_URL is not set

A key goes with the server it is kept for: that of a profile or of a data directory is shown to no other server. It
never has to be on a command line, where other users and the shell's history see it.`

// helpTopics are pages of help that are no commands.
func helpTopics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "The codes that homing exits with", Long: exitCodesText},
		{Use: "profiles", Short: "How homing finds the server and the key", Long: profilesText},
	}
}

// mended is an error whose text says everything, the mend as well.
type mended struct {
	// exit is the code to exit with; 0 means that of err.
	exit int
	text string
	err  error
}

func (e *mended) Error() string { return e.text }
func (e *mended) Unwrap() error { return e.err }

// usage is an error in how a command was called.
func usage(text string) error { return &mended{exit: exitUsage, text: text} }

// exitCode is the code to exit with after an error.
func (a *app) exitCode(err error) int {
	if m, ok := errors.AsType[*mended](err); ok && m.exit != 0 {
		return m.exit
	}
	_, settings := errors.AsType[*config.Error](err)
	switch {
	case !a.began, settings, client.IsInvalid(err):
		return exitUsage
	case client.IsNotFound(err), errors.Is(err, store.ErrNotFound):
		return exitNotFound
	case client.IsNotAllowed(err):
		return exitNotAllowed
	case client.IsUnavailable(err), errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return exitUnavailable
	case client.IsConflict(err), client.IsPreconditionFailed(err), errors.Is(err, store.ErrConflict):
		return exitConflict
	}
	return exitFailed
}

// say is the text of an error: the flags at fault, and how to mend it.
func (a *app) say(err error) string {
	if _, ok := errors.AsType[*mended](err); ok {
		return err.Error()
	}
	if away, ok := errors.AsType[*client.UnreachableError](err); ok {
		return away.Error() + "\nstart one with `homing serve`, or name another with --server or HOMING_SERVER; " +
			"`homing doctor` finds out more"
	}
	p, ok := errors.AsType[*client.Problem](err)
	if !ok {
		return err.Error()
	}
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		b.WriteString("\n  " + flagOf(f.Field) + ": " + f.Detail)
	}
	if mend := mends[p.Kind()]; mend != "" {
		b.WriteString("\n" + mend)
	}
	return b.String()
}

// mends say what to do about a kind of problem, where that is the same for all commands.
var mends = map[client.Kind]string{
	client.KindUnauthenticated: "set HOMING_API_KEY to a valid key, or --key-file to a file with one; " +
		"`homing key create` makes one",
	client.KindForbidden: "use a key that may: `homing key create --scopes` names what a key is allowed",
	client.KindTooMany:   "try again later",
}

// flags are the flags of fields that are not called alike.
var flags = map[string]string{
	"rate_per_second": "--rate", "Homing-Tenant": "--tenant", "expires_at": "--expires",
	"expires_in": "--expires", "headers": "--header",
	"kind": "--signing", "If-Match": "--if-version", "cursor": "--cursor", "[0].id": "--id", "[0].source": "--source",
	"[0].type": "--type", "[0].subject": "--subject", "[0].data": "--data", "[0].datacontenttype": "--content-type",
}

// flagOf names a field of a request by the flag that sets it: schedule[2] is "--schedule [2]".
func flagOf(field string) string {
	if flag, ok := flags[field]; ok {
		return flag
	}
	end := strings.IndexAny(field, "[.")
	if end < 0 {
		end = len(field)
	}
	if end == 0 {
		return field
	}
	name, rest := field[:end], strings.TrimPrefix(field[end:], ".")
	flag, ok := flags[name]
	if !ok {
		flag = "--" + strings.ReplaceAll(name, "_", "-")
	}
	return strings.TrimSpace(flag + " " + rest)
}
