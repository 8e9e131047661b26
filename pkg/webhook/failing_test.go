package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

func TestFailingRule(t *testing.T) {
	t.Parallel()
	rule := webhook.FailingRule{Window: 15 * time.Minute, Attempts: 20, Below: 50}
	for name, c := range map[string]struct {
		was                 bool
		attempts, succeeded int64
		want                bool
	}{
		"NothingIsKnown":         {false, 0, 0, false},
		"NothingIsKnownAnyMore":  {true, 0, 0, true},
		"TooFewToJudge":          {false, 19, 0, false},
		"AllFail":                {false, 20, 0, true},
		"JustBelow":              {false, 100, 49, true},
		"AtTheLimit":             {false, 100, 50, false},
		"RecoversNotAtTheLimit":  {true, 100, 50, true},
		"RecoversNotALittleOver": {true, 100, 74, true},
		"RecoversHalfTheWay":     {true, 100, 75, false},
		"RecoversWithOneAttempt": {true, 1, 1, false},
		"FailsOnWithOneAttempt":  {true, 1, 0, true},
	} {
		require.Equal(t, c.want, rule.Judge(c.was, c.attempts, c.succeeded), name)
	}
	require.False(t, webhook.FailingRule{}.Judge(false, 100, 0), "the zero rule never calls one failing")
}
