package backoff

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of a schedule.
const (
	// MaxSteps is how many attempts a schedule may have; it has at least one.
	MaxSteps = 50
	// MaxStep is how long a schedule may wait before one attempt.
	MaxStep = 7 * 24 * time.Hour
)

// ErrSchedule says that a schedule is outside the bounds or is not written as one; the error that wraps it names the
// step.
var ErrSchedule = errors.New("a schedule is 1 to 50 waiting times of 0s to 168h, like 0s,5s,5m")

// Validate reports whether a schedule is within the bounds. Errors: ErrSchedule.
func Validate(schedule []time.Duration) error {
	if len(schedule) == 0 {
		return fmt.Errorf("backoff: no step: %w", ErrSchedule)
	}
	if len(schedule) > MaxSteps {
		return fmt.Errorf("backoff: %d steps: %w", len(schedule), ErrSchedule)
	}
	for i, step := range schedule {
		if step < 0 || step > MaxStep {
			return fmt.Errorf("backoff: step %d is %s: %w", i+1, step, ErrSchedule)
		}
	}
	return nil
}

// Parse reads a schedule written as durations in the form of time.ParseDuration with commas between: "0s,5s,5m".
// Spaces around a duration do no harm. Errors: ErrSchedule.
func Parse(text string) ([]time.Duration, error) {
	parts := strings.SplitN(text, ",", MaxSteps+2) // one more than needed to see that there are too many
	schedule := make([]time.Duration, 0, len(parts))
	for i, part := range parts {
		if i == MaxSteps {
			return nil, fmt.Errorf("backoff: more than %d steps: %w", MaxSteps, ErrSchedule)
		}
		step, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("backoff: step %d is no duration: %w", i+1, ErrSchedule)
		}
		schedule = append(schedule, step)
	}
	if err := Validate(schedule); err != nil {
		return nil, err
	}
	return schedule, nil
}

// Format writes a schedule as [Parse] reads it, without parts that are zero: "0s,5s,5m,10h".
func Format(schedule []time.Duration) string {
	parts := make([]string, len(schedule))
	for i, step := range schedule {
		parts[i] = short(step)
	}
	return strings.Join(parts, ",")
}

// short writes a duration without the zero minutes and seconds that time.Duration puts behind.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
