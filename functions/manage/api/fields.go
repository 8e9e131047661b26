package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/homing-hooks/homing/pkg/backoff"
	"github.com/homing-hooks/homing/pkg/dispatch"
	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// maxTimeout is the longest that one attempt may take.
const maxTimeout = time.Minute

// apply sets what a request says about an endpoint, and says all that is wrong with it, by field. Errors:
// store.ErrInvalid.
func (a *API) apply(e *webhook.Endpoint, url *string, f EndpointFields) error {
	var faults []server.Fault
	fault := func(field string, err error) {
		if err != nil {
			faults = append(faults, server.Fault{Field: field, Detail: err.Error()})
		}
	}
	if url != nil {
		e.URL = *url
		fault("url", problemWith(a.cfg.CheckURL(e.URL)))
	}
	if f.Types != nil {
		e.Types = f.Types
	}
	if len(e.Types) == 0 {
		e.Types = nil
	}
	set(&e.Filter, f.Filter)
	if f.Types != nil || f.Filter != nil {
		faults = append(faults, subscriptionFaults(filter.Validate(e.Types, e.Filter))...)
	}
	if f.Format != nil {
		e.Format = webhook.BodyFormat(*f.Format) // one of them: the schema has seen to it
	}
	if f.Headers != nil {
		e.Headers = f.Headers
		faults = append(faults, headerFaults(dispatch.ValidateHeaders(f.Headers))...)
	}
	if f.Schedule != nil {
		var err error
		e.Schedule, err = scheduleOf(f.Schedule)
		fault("schedule", err)
	}
	if f.Timeout != nil {
		var err error
		e.Timeout, err = timeoutOf(*f.Timeout)
		fault("timeout", err)
	}
	set(&e.RatePerSecond, f.RatePerSecond)
	if len(faults) > 0 {
		return invalid(faults...)
	}
	return nil
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// problemWith is what is wrong with a field, without the name of the field.
func problemWith(err error) error {
	if e, ok := errors.AsType[*dispatch.FieldError](err); ok {
		return errors.New(e.Problem)
	}
	return err
}

// subscriptionFaults lists what is wrong with types and filter.
func subscriptionFaults(err error) (faults []server.Fault) {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range all.Unwrap() {
			faults = append(faults, subscriptionFaults(e)...)
		}
		return faults
	}
	if e, ok := errors.AsType[*filter.InvalidError](err); ok {
		detail := e.Problem + "; " + e.Mend
		if e.At >= 0 {
			detail = fmt.Sprintf("at character %d: %s", e.At+1, detail)
		}
		return []server.Fault{{Field: e.Field, Detail: detail}}
	}
	return nil
}

func headerFaults(err error) []server.Fault {
	if e, ok := errors.AsType[*dispatch.FieldError](err); ok {
		return []server.Fault{{Field: e.Field, Detail: e.Problem}}
	}
	return nil
}

// scheduleOf reads a schedule; none stands for the deployment's.
func scheduleOf(texts []string) ([]time.Duration, error) {
	var schedule []time.Duration
	for i, text := range texts {
		step, err := backoff.Parse(text)
		if err != nil || len(step) != 1 {
			return nil, fmt.Errorf("step %d is no duration: write 0s, 5s, 10m or 24h", i)
		}
		schedule = append(schedule, step[0])
	}
	return schedule, nil
}

// timeoutOf reads a timeout; none stands for the deployment's.
func timeoutOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout < time.Millisecond || timeout > maxTimeout {
		return 0, fmt.Errorf("must be a duration from 1ms to %s", maxTimeout)
	}
	return timeout, nil
}
