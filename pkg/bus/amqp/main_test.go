package amqp_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/bustest"
	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newBus returns a bus that is closed with the test; the test's settings in cfg are kept.
func newBus(t testing.TB, url string, cfg amqp.Config) *amqp.Bus {
	t.Helper()
	cfg.Link.URL = url
	cfg.Link.Name = t.Name()
	cfg.Link.MaxPause = 200 * time.Millisecond
	cfg.Link.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := amqp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

func open(t testing.TB) bustest.Harness {
	url := testenv.RabbitMQ(t)
	return bustest.Harness{Tries: amqp.TriesDefault, Join: func(t testing.TB) bus.Bus {
		return newBus(t, url, amqp.Config{Delay: time.Millisecond})
	}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	bustest.Run(t, open)
}

func Benchmark(b *testing.B) { bustest.Bench(b, open) }
