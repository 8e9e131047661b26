package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Part is something of a process that begins and ends. Those later in the list of [Run] may use those before them.
type Part struct {
	// Name is what errors and messages call it.
	Name string
	// Start begins it, and does not block while it works. Its context is for starting only. nil means nothing to do.
	Start func(ctx context.Context) error
	// Stop ends it, within its context. It is called only if Start succeeded, and once. nil means nothing to do.
	Stop func(ctx context.Context) error
	// Failed, if not nil, tells of an end that was not wanted; it may be closed. The process then ends as well.
	Failed <-chan error
}

// Run starts the parts in order, waits until ctx ends or a part fails, and stops them in reverse order: what takes
// requests first, what they need after it, telemetry, which is started first, last. All stopping together may take
// timeout, but every part's Stop is called, if need be with a context that has ended. When a part does not start, those
// before it are stopped. The error joins everything that went wrong; nil means an end in order.
func Run(ctx context.Context, log *slog.Logger, timeout time.Duration, parts ...Part) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started, err := startAll(ctx, cancel, parts)
	if err == nil {
		<-ctx.Done()
		err = failure(ctx)
		log.InfoContext(ctx, "stopping", slog.Duration("within", timeout))
	}
	stopCtx, stopped := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer stopped()
	errs := []error{err}
	for _, p := range slices.Backward(started) {
		if p.Stop == nil {
			continue
		}
		if err := p.Stop(stopCtx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// startAll starts parts until one fails or ctx ends, and returns those that are started.
func startAll(ctx context.Context, cancel context.CancelCauseFunc, parts []Part) ([]Part, error) {
	for i, p := range parts {
		if ctx.Err() != nil { // told to end while starting
			return parts[:i], failure(ctx)
		}
		if p.Start != nil {
			if err := p.Start(ctx); err != nil {
				return parts[:i], fmt.Errorf("start %s: %w", p.Name, err)
			}
		}
		if p.Failed != nil {
			go watch(ctx, p, cancel)
		}
	}
	return parts, nil
}

// failed is the cause of an end that a part brought about.
type failed struct {
	part string
	err  error
}

func (f *failed) Error() string { return f.part + " failed: " + f.err.Error() }
func (f *failed) Unwrap() error { return f.err }

// watch ends ctx when a part fails.
func watch(ctx context.Context, p Part, cancel context.CancelCauseFunc) {
	select {
	case err, open := <-p.Failed:
		if open && err != nil {
			cancel(&failed{part: p.Name, err: err})
		}
	case <-ctx.Done():
	}
}

// failure returns the part's failure that ended ctx; nil if it was ended from outside, in order.
func failure(ctx context.Context) error {
	if f, ok := errors.AsType[*failed](context.Cause(ctx)); ok {
		return f
	}
	return nil
}

// Part returns the server as a part of a process. It must not have been started otherwise.
func (s *Server) Part(name string) Part {
	ended := make(chan error, 1)
	return Part{
		Name: name,
		Start: func(ctx context.Context) error {
			if err := s.Listen(ctx); err != nil {
				return err
			}
			go func() { ended <- s.Serve() }()
			s.cfg.Logger.InfoContext(ctx, "listening", slog.String("addr", s.Addr()))
			return nil
		},
		Stop:   s.Shutdown,
		Failed: ended,
	}
}
