package outcome_test

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// discard is a log for servers whose clients misbehave on purpose.
func discard() *log.Logger { return log.New(io.Discard, "", 0) }
