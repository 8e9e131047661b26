// Command homing-probe watches a Homing from outside: see pkg/probe. Its settings are the HOMING_PROBE_ variables of
// docs/configuration.md, and those that say which Homing.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"knative.dev/pkg/signals"

	"github.com/homing-hooks/homing/pkg/brokersign"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/bus/amqp"
	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/bus/knative"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/probe"
	"github.com/homing-hooks/homing/pkg/server"
	"github.com/homing-hooks/homing/pkg/telemetry"
)

// linked is the version that the linker was told (-X main.linked), as that of the functions is.
var linked string

func main() {
	if err := run(signals.NewContext()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := config.Load(config.FunctionProbe, os.Environ())
	if err != nil {
		return err
	}
	version := cmp.Or(linked, "dev")
	log := telemetry.NewLogger(os.Stdout, &cfg.Telemetry).With("function", "probe", "version", version)
	tel, err := telemetry.New(cfg, version, log)
	if err != nil {
		return err
	}
	broker, err := openBroker(cfg, log)
	if err != nil {
		return err
	}
	prober, err := newProber(cfg, log, tel, broker)
	if err != nil {
		return err
	}
	address, setting := cfg.ListenAddress()
	s := server.New(server.Config{
		Addr: address, Setting: setting, Handler: prober, Metrics: tel.MetricsHandler(), MetricsAddr: cfg.MetricsAddress(),
		DrainDelay: cfg.Server.DrainDelay, Logger: log,
	})
	return server.Run(ctx, log, cfg.Server.ShutdownTimeout,
		server.Part{Name: "telemetry", Stop: tel.Shutdown}, closing(broker), s.Part("server"), rounds(prober))
}

// openBroker opens the way that producers of brokered events go; nil where there is none.
func openBroker(cfg *config.Config, log *slog.Logger) (bus.Bus, error) {
	switch {
	case !cfg.Probe.Broker.IsZero():
		return knative.New(knative.Config{Sinks: map[string]string{bus.BrokerEvents: cfg.Probe.Broker.Reveal()}})
	case !cfg.Services.RabbitMQURL.IsZero():
		return amqp.New(amqp.Config{
			Link: link.Config{URL: cfg.Services.RabbitMQURL.Reveal(), Name: "homing probe", Logger: log},
		})
	default:
		return nil, nil
	}
}

// newProber makes the prober as the settings say.
func newProber(cfg *config.Config, log *slog.Logger, tel *telemetry.Telemetry, broker bus.Bus) (*probe.Prober, error) {
	server := cfg.Client.Server.Reveal()
	c := probe.Config{
		Server: server, Ingest: cmp.Or(cfg.Probe.Ingest.Reveal(), server), Key: cfg.Client.APIKey.Reveal(),
		Tenant: cfg.Client.Tenant, Receiver: cfg.Probe.Receiver.Reveal(), Interval: cfg.Probe.Interval,
		Timeout: cfg.Probe.Timeout, Log: log,
	}
	if broker != nil {
		c.Broker = broker
	}
	if !cfg.Probe.BrokerKey.IsZero() {
		key, err := brokersign.ParseKey(cfg.Probe.BrokerKey.Reveal())
		if err != nil {
			return nil, fmt.Errorf("HOMING_PROBE_BROKER_KEY: %w", err)
		}
		c.BrokerKey = &key
	}
	c.Metrics = probe.NewMetrics(tel.Registry(), c.Interval, time.Now(), c.On()...)
	return probe.New(c)
}

// rounds is the probing as a part of the process. It is stopped before the server, so that no webhook is missed.
func rounds(p *probe.Prober) server.Part {
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	return server.Part{
		Name: "probes",
		Start: func(context.Context) error {
			go func() { defer close(ended); p.Run(ctx) }()
			return nil
		},
		Stop: func(stop context.Context) error {
			end()
			select {
			case <-ended:
				return nil
			case <-stop.Done():
				return stop.Err()
			}
		},
	}
}

// closing is the broker as a part of the process.
func closing(broker bus.Bus) server.Part {
	if broker == nil {
		return server.Part{Name: "broker"}
	}
	return server.Part{Name: "broker", Stop: broker.Close}
}
