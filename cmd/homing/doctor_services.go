package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/homing-hooks/homing/pkg/bus/amqp/link"
	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/store"
	"github.com/homing-hooks/homing/pkg/store/postgres"
	timerredis "github.com/homing-hooks/homing/pkg/timer/redis"
)

// database looks at the database: whether it answers, its schema, and its clock.
func (d *doctor) database(ctx context.Context) {
	url := d.cfg.Database()
	if d.cfg.Mode() == config.ModeEmbedded {
		if d.cfg.DataDirectory() == "" || findEmbedded(d.cfg) != nil {
			d.add("database", checkSkipped, "DATABASE_URL is not set, and no embedded Homing has been here", "")
			return
		}
		url = d.cfg.Database()
	}
	const mend = "check that Postgres runs and that DATABASE_URL has its address, user and password; an embedded one " +
		"runs while `homing serve` does"
	s, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 1, Timeout: checkTimeout,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.add("database", checkFailed, "DATABASE_URL: "+err.Error(), mend)
		return
	}
	defer s.Close()
	began := time.Now()
	now, err := s.Now(ctx)
	took := time.Since(began)
	if err != nil {
		d.add("database", checkFailed, err.Error(), mend)
		return
	}
	d.add("database", checkOK, fmt.Sprintf("it answered in %s", took.Round(time.Millisecond)), "")
	d.clock("database clock", "the database's", now.Sub(began.Add(took/2)))
	d.migrations(ctx, s)
}

// migrations compares the schema with what this program needs.
func (d *doctor) migrations(ctx context.Context, s *postgres.Store) {
	have, err := s.SchemaVersion(ctx)
	need := postgres.SchemaVersion()
	switch {
	case errors.Is(err, store.ErrUnavailable):
		d.add("migrations", checkFailed, err.Error(), "see database")
	case err != nil:
		d.add("migrations", checkFailed, err.Error(), "the user of DATABASE_URL must be allowed to read the schema")
	case have < need:
		d.add("migrations", checkFailed, fmt.Sprintf("the schema has version %d, this homing needs %d", have, need),
			"run `homing migrate`")
	case have > need:
		d.add("migrations", checkWarning, fmt.Sprintf("the schema has version %d, this homing knows %d", have, need),
			"use a homing of the version that migrated it")
	default:
		d.add("migrations", checkOK, fmt.Sprintf("the schema has version %d, as it should", have), "")
	}
}

// redis looks whether Redis answers.
func (d *doctor) redis(ctx context.Context) {
	s := &d.cfg.Services
	if s.RedisURL.IsZero() {
		d.add("redis", checkSkipped, "REDIS_URL is not set: timers and rate limits are in memory", "")
		return
	}
	const mend = "check that Redis runs and that REDIS_URL has its address and password; deliveries go on without it"
	t, err := timerredis.Open(s.RedisURL.Reveal(), timerredis.Options{
		Prefix: s.RedisPrefix + ":", Timeout: s.RedisTimeout, PoolSize: 1,
	})
	if err != nil {
		d.add("redis", checkFailed, err.Error(), mend)
		return
	}
	defer func() { _ = t.Close() }()
	n, err := t.Len(ctx)
	if err != nil {
		d.add("redis", checkFailed, err.Error(), mend)
		return
	}
	d.add("redis", checkOK, fmt.Sprintf("%s answers, and holds %d timers", s.RedisURL, n), "")
}

// rabbitMQ looks whether RabbitMQ lets in, and which version it is.
func (d *doctor) rabbitMQ(ctx context.Context) {
	u := d.cfg.Services.RabbitMQURL
	if u.IsZero() {
		d.add("rabbitmq", checkSkipped, "RABBITMQ_URL is not set: hints stay in the process, and nothing is parked", "")
		return
	}
	const mend = "check that RabbitMQ runs and that RABBITMQ_URL has its address, user, password and virtual host; " +
		"events are accepted without it"
	cfg, err := link.Config{URL: u.Reveal(), Name: "homing doctor", DialTimeout: checkTimeout}.WithDefaults()
	if err != nil {
		d.add("rabbitmq", checkFailed, err.Error(), mend)
		return
	}
	c, err := link.Dial(ctx, cfg)
	if err != nil {
		d.add("rabbitmq", checkFailed, err.Error(), mend)
		return
	}
	defer c.End()
	d.add("rabbitmq", checkOK, fmt.Sprintf("%s answers, and is version %d", u, c.ServerMajor()), "")
}
