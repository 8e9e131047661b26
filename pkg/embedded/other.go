//go:build !linux

package embedded

import "context"

// process has no implementation here: it relies on /proc and on PR_SET_PDEATHSIG.
type process struct{ done chan struct{} }

func (*process) stop(context.Context) error { return ErrNotSupported }

// Start returns ErrNotSupported.
func Start(context.Context, Config) (*Postgres, error) { return nil, ErrNotSupported }
