package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	amqp "github.com/rabbitmq/amqp091-go"
)

// floor is what one part costs by itself: Homing cannot do with less.
type floor struct {
	title string
	rate  float64 // a second
	cpu   float64 // ms each: client and server
}

// floorTime is how long each is measured, postTime how long the POST is before and after a load.
const (
	floorTime = 3 * time.Second
	postTime  = time.Second
)

// floors measures each in turn. The client is this process.
func (b *bench) floors(ctx context.Context) ([]floor, error) {
	for _, f := range []func(context.Context) error{b.floorTable} {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	pool, err := pgxpool.New(ctx, b.services.database("postgres")+"&pool_max_conns=8")
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	channel, done, err := b.floorChannel()
	if err != nil {
		return nil, err
	}
	defer done()
	posts, idle := b.barePosts()
	defer idle()
	var all []floor
	for _, m := range []struct {
		title   string
		workers int
		each    int
		f       func(context.Context) error
	}{
		{"net/http client POSTs 1 KiB to the receiver, 64 at once", saturating, 1, posts},
		{"Postgres: one row of 1 KiB a commit, 8 connections", 8, 1, func(ctx context.Context) error {
			return insert(ctx, pool, 1)
		}},
		{"Postgres: 100 rows of 1 KiB a commit, 2 connections", 2, 100, func(ctx context.Context) error {
			return insert(ctx, pool, 100)
		}},
		{"RabbitMQ: 1 KiB into a quorum queue, confirmed, 64 at once", saturating, 1, channel},
	} {
		f, err := b.floor(ctx, min(floorTime, b.settings.duration), m.workers, m.each, m.f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.title, err)
		}
		f.title = m.title
		all = append(all, f)
	}
	return all, nil
}

// barePosts returns what makes one POST to the receiver, and what closes its connections.
func (b *bench) barePosts() (f func(context.Context) error, closeIdle func()) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: saturating}, Timeout: 10 * time.Second}
	return func(ctx context.Context) error {
		return post(ctx, client, "http://"+b.receiverAddr+"/bare")
	}, client.CloseIdleConnections
}

// postCost is what a bare POST costs now, in ms; 0 where floors are left out.
func (b *bench) postCost(ctx context.Context) (float64, error) {
	if b.settings.noFloors {
		return 0, nil
	}
	posts, idle := b.barePosts()
	defer idle()
	f, err := b.floor(ctx, min(postTime, b.settings.duration), saturating, 1, posts)
	return f.cpu, err
}

// floor calls f from some workers for a while; each call does each things.
func (b *bench) floor(ctx context.Context, length time.Duration, workers, each int, f func(context.Context) error) (
	floor, error,
) {
	roots := b.services.roots()
	roots[groupReceiver] = []int{b.receiver.pid()}
	cpu, own, began := usageOf(roots), ownCPU(), time.Now()
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for time.Since(began) < length {
				if err := f(ctx); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(int64(each))
			}
		})
	}
	work.Wait()
	if err := failed.Load(); err != nil {
		return floor{}, *err
	}
	n := float64(max(done.Load(), 1))
	spent := usageOf(roots).since(cpu).total() + ownCPU() - own
	return floor{rate: n / time.Since(began).Seconds(), cpu: millis(spent) / n}, nil
}

// ownCPU is that of this process without its children.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var floorBody = bytes.Repeat([]byte("x"), payloadSize)

func post(ctx context.Context, client *http.Client, url string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(floorBody))
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// floorTable makes the table of the inserts.
func (b *bench) floorTable(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, b.services.database("postgres"))
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.Exec(ctx, "CREATE TABLE floor (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), data bytea)")
	return err
}

func insert(ctx context.Context, pool *pgxpool.Pool, n int) error {
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = floorBody
	}
	_, err := pool.Exec(ctx, "INSERT INTO floor (data) SELECT unnest($1::bytea[])", rows)
	return err
}

// floorChannel returns what publishes one message and waits for its confirmation.
func (b *bench) floorChannel() (publish func(context.Context) error, done func(), err error) {
	conn, err := amqp.Dial(b.services.env["TEST_RABBITMQ_URL"])
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = conn.Close() }
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err == nil {
		_, err = channel.QueueDeclare("load.floor", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		confirmed, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", "load.floor", true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, Body: floorBody})
		if err != nil {
			return err
		}
		if ok, err := confirmed.WaitContext(ctx); err != nil || !ok {
			return errors.Join(errors.New("not confirmed"), err)
		}
		return nil
	}, done, nil
}
