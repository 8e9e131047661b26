package testenv

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis returns the URL of the shared Redis. All tests share its one key space: begin every key with [RedisPrefix].
func Redis(t testing.TB) string {
	t.Helper()
	return setting(t, envRedis)
}

// RedisPrefix returns a prefix that no other test has; every key that begins with it is deleted when the test ends.
// It contains no braces, so a test may put its own hash tags behind it.
func RedisPrefix(t testing.TB) string {
	t.Helper()
	options, err := redis.ParseURL(Redis(t))
	if err != nil {
		t.Fatalf("testenv: %s is not a Redis URL", envRedis) // not the cause: it would quote the password
	}
	name, err := newRoom("homing_t")
	if err != nil {
		t.Fatal(err)
	}
	prefix := name + ":"
	t.Cleanup(func() {
		if err := deleteKeys(options, prefix); err != nil {
			t.Errorf("testenv: delete the test's keys: %v: %s", err, howTo)
		}
	})
	return prefix
}

func deleteKeys(options *redis.Options, prefix string) error {
	ctx, cancel := callContext()
	defer cancel()
	client := redis.NewClient(options)
	defer client.Close()
	const perScan = 1000
	for keys := client.Scan(ctx, 0, prefix+"*", perScan).Iterator(); ; {
		if !keys.Next(ctx) {
			return keys.Err()
		}
		if err := client.Unlink(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
}
