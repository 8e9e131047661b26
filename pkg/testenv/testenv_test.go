package testenv_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/homing-hooks/homing/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var migrations atomic.Int64

func migrate(ctx context.Context, url string) error {
	migrations.Add(1)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE migrated (n int); INSERT INTO migrated VALUES (7)")
	return err
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

func databases(t *testing.T, name string) (n int) {
	t.Helper()
	conn := connect(t, testenv.Postgres(t))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&n))
	return n
}

func TestPostgres(t *testing.T) {
	t.Parallel()

	t.Run("TwoRoomsAreSeparateAndEmpty", func(t *testing.T) {
		t.Parallel()
		first, second := connect(t, testenv.Postgres(t)), connect(t, testenv.Postgres(t))
		_, err := first.Exec(t.Context(), "CREATE TABLE mine (n int)")
		require.NoError(t, err)
		_, err = second.Exec(t.Context(), "CREATE TABLE mine (n int)")
		require.NoError(t, err)
	})

	t.Run("MigratesOnceAndCopies", func(t *testing.T) {
		t.Parallel()
		for range 3 {
			conn := connect(t, testenv.PostgresMigrated(t, migrate))
			var n int
			require.NoError(t, conn.QueryRow(t.Context(), "SELECT n FROM migrated").Scan(&n))
			require.Equal(t, 7, n)
			_, err := conn.Exec(t.Context(), "DELETE FROM migrated")
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, migrations.Load())
	})

	t.Run("IsDroppedAtTheEndAlsoWithAConnectionOpen", func(t *testing.T) {
		t.Parallel()
		var name string
		var left *pgx.Conn
		t.Run("user", func(t *testing.T) {
			u, err := url.Parse(testenv.Postgres(t))
			require.NoError(t, err)
			name = strings.TrimPrefix(u.Path, "/")
			require.Equal(t, 1, databases(t, name))
			left, err = pgx.Connect(t.Context(), u.String())
			require.NoError(t, err)
		})
		require.Zero(t, databases(t, name))
		require.Error(t, left.Ping(t.Context()))
		_ = left.Close(t.Context())
	})
}

// TestSweep makes rooms in a process that dies without cleaning up, and looks for them after a second process has
// used the same server.
func TestSweep(t *testing.T) {
	t.Parallel()
	run := func(how string) string {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSweepHelper$", "-test.v")
		command.Env = append(os.Environ(), "TESTENV_SWEEP="+how)
		out, err := command.CombinedOutput()
		if how == "die" {
			require.Error(t, err)
		} else {
			require.NoError(t, err, string(out))
		}
		return string(out)
	}
	made := strings.Fields(run("die"))
	database, vhost := made[len(made)-2], made[len(made)-1]
	require.Equal(t, 1, databases(t, database))
	run("sweep")
	require.Zero(t, databases(t, database))

	u, err := url.Parse(testenv.RabbitMQ(t))
	require.NoError(t, err)
	u.Path = "/" + vhost
	_, err = amqp.Dial(u.String())
	require.Error(t, err)
}

// TestSweepHelper is the body of the processes that TestSweep starts; without its variable it checks only that a test
// which uses all rooms passes.
func TestSweepHelper(t *testing.T) {
	database, err := url.Parse(testenv.Postgres(t))
	require.NoError(t, err)
	vhost, err := url.Parse(testenv.RabbitMQ(t))
	require.NoError(t, err)
	if os.Getenv("TESTENV_SWEEP") == "die" {
		_, _ = os.Stdout.WriteString("\n" + database.Path[1:] + " " + vhost.Path[1:])
		os.Exit(1)
	}
}

func TestRedisPrefix(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(testenv.Redis(t))
	require.NoError(t, err)
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	neighbour := testenv.RedisPrefix(t) + "neighbour"
	require.NoError(t, client.Set(t.Context(), neighbour, 1, 0).Err())

	var prefix string
	t.Run("user", func(t *testing.T) {
		prefix = testenv.RedisPrefix(t)
		for _, key := range []string{"a", "{b}c", "d"} {
			require.NoError(t, client.Set(t.Context(), prefix+key, 1, 0).Err())
		}
	})
	left, err := client.Keys(t.Context(), prefix+"*").Result()
	require.NoError(t, err)
	require.Empty(t, left)
	require.EqualValues(t, 1, client.Exists(t.Context(), neighbour).Val())
}

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	var address string
	t.Run("user", func(t *testing.T) {
		address = testenv.RabbitMQ(t)
		declare(t, address, "q")
		other := declare(t, testenv.RabbitMQ(t), "other")
		_, err := other.QueueDeclarePassive("q", true, false, false, false, nil)
		require.Error(t, err, "a queue of one virtual host is not seen in another")
	})
	_, err := amqp.Dial(address)
	require.Error(t, err, "the virtual host is gone")
}

// declare makes a durable quorum queue, the kind that parking uses.
func declare(t *testing.T, address, queue string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	require.NoError(t, err)
	_, err = channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
	return channel
}

func TestOwnPostgres(t *testing.T) {
	t.Parallel()
	server := testenv.OwnPostgres(t)
	conn := connect(t, server.URL)
	_, err := conn.Exec(t.Context(), "CREATE TABLE kept (n int)")
	require.NoError(t, err)

	server.Kill()
	require.Error(t, conn.Ping(t.Context()))
	refuses(t, server.URL)
	server.Start()
	_, err = connect(t, server.URL).Exec(t.Context(), "INSERT INTO kept VALUES (1)")
	require.NoError(t, err, "what was committed before the kill is there after it")

	server.Stop()
	refuses(t, server.URL)
	server.Start()
	_, err = connect(t, server.URL).Exec(t.Context(), "INSERT INTO kept VALUES (2)")
	require.NoError(t, err)

	server.Wipe()
	_, err = connect(t, server.URL).Exec(t.Context(), "INSERT INTO kept VALUES (3)")
	require.Error(t, err)
}

func refuses(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := pgx.Connect(ctx, url)
	require.Error(t, err)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestOwnRedis(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRedis(t)
	options, err := redis.ParseURL(server.URL)
	require.NoError(t, err)
	options.MaxRetries = -1
	client := redis.NewClient(options)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	for name, interrupt := range map[string]func(){"kill": server.Kill, "stop": server.Stop, "wipe": server.Wipe} {
		require.NoError(t, client.Set(t.Context(), "k", 1, 0).Err(), name)
		interrupt()
		if name != "wipe" {
			require.Error(t, client.Get(t.Context(), "k").Err(), name)
			server.Start()
		}
		require.Eventually(t, func() bool { return errors.Is(client.Get(t.Context(), "k").Err(), redis.Nil) },
			5*time.Second, 10*time.Millisecond, name)
	}
}

func TestOwnRabbitMQ(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRabbitMQ(t)
	require.NotEmpty(t, server.ManagementURL)
	declare(t, server.URL, "kept")
	server.Kill()
	_, err := amqp.Dial(server.URL)
	require.Error(t, err)
	server.Start()
	conn, err := amqp.Dial(server.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	channel, err := conn.Channel()
	require.NoError(t, err)
	_, err = channel.QueueDeclarePassive("kept", true, false, false, false, nil)
	require.NoError(t, err, "a durable queue survives the kill")
}

// TestOwnServersEndWithTheProcess kills a process that owns servers; the script's watchdog stops them.
func TestOwnServersEndWithTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	owner := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, owner.Start())
	script, err := filepath.Abs("../../hack/services.sh")
	require.NoError(t, err)
	up := exec.CommandContext(t.Context(), script, "up", "redis")
	up.Env = append(os.Environ(), "HOMING_DEV_DIR="+dir, "HOMING_DEV_OWNER="+strconv.Itoa(owner.Process.Pid))
	out, err := up.CombinedOutput()
	require.NoError(t, err, string(out))
	pid, err := os.ReadFile(filepath.Join(dir, "state", "pid.redis"))
	require.NoError(t, err)
	process := "/proc/" + strings.Fields(string(pid))[0]
	require.DirExists(t, process)

	require.NoError(t, owner.Process.Kill())
	require.Error(t, owner.Wait())
	require.Eventually(t, func() bool {
		_, errProcess := os.Stat(process)
		_, errState := os.Stat(filepath.Join(dir, "state"))
		return os.IsNotExist(errProcess) && os.IsNotExist(errState)
	}, 20*time.Second, 50*time.Millisecond)
}
