package webhook

import "time"

// FailingRule says when an endpoint counts as failing: when less than Below percent of at least Attempts attempts
// within Window succeeded. The zero value never calls one failing.
type FailingRule struct {
	// Window is how far back attempts count.
	Window time.Duration
	// Attempts is how many it takes to judge.
	Attempts int
	// Below is the success rate, in percent, under which an endpoint fails.
	Below int
}

// Judge says whether an endpoint fails, given how many attempts were made within the window and how many succeeded, and
// whether it has been failing. It recovers only half the way from Below to 100 percent, so that one at the limit does
// not go to and fro, and with any number of attempts, for an endpoint that fails may have few left to make.
func (r FailingRule) Judge(failing bool, attempts, succeeded int64) bool {
	if attempts == 0 {
		return failing
	}
	percent := 100 * float64(succeeded) / float64(attempts)
	if failing {
		return percent < float64(100+r.Below)/2
	}
	return attempts >= int64(max(r.Attempts, 1)) && percent < float64(r.Below)
}
