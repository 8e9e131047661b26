package redis

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/testenv"
	"github.com/homing-hooks/homing/pkg/timer"
	"github.com/homing-hooks/homing/pkg/timer/timertest"
	"github.com/homing-hooks/homing/pkg/webhook"
)

// soon is how fast a call must give up.
const soon = time.Second

// requireUnavailableSoon wants each call to fail as the contract says, and at once.
func requireUnavailableSoon(t *testing.T, client *Timer, secret string) {
	t.Helper()
	one := []timer.Entry{{Endpoint: webhook.ID{1}, Due: noon, Lease: noon}}
	for name, call := range map[string]func() error{
		"set":   func() error { return client.Set(t.Context(), one) },
		"claim": func() error { _, _, err := client.Claim(t.Context(), noon, 10, time.Minute); return err },
		"done":  func() error { return client.Done(t.Context(), one) },
		"len":   func() error { _, err := client.Len(t.Context()); return err },
	} {
		began := time.Now()
		err := call()
		require.ErrorIs(t, err, timer.ErrUnavailable, name)
		require.Less(t, time.Since(began), soon, name)
		require.True(t, strings.HasPrefix(err.Error(), "redis timer: "+name+": timers unavailable: "), err)
		require.NotContains(t, err.Error(), secret)
	}
}

// A Redis that stops, comes back empty, is flushed, or forgets its scripts costs errors while it is away and nothing
// after.
func TestRedisComesAndGoes(t *testing.T) {
	t.Parallel()
	server := testenv.OwnRedis(t)
	s := spaceAt(t, server.URL, Options{Timeout: patience})
	raw := rawClient(t, server.URL)
	client := s.Open().(*Timer)
	defer client.Close()
	cycle := func(want int) error {
		entries := []timer.Entry{{Endpoint: webhook.ID{1}, Due: noon}, {Endpoint: webhook.ID{2}, Due: noon}}
		if err := client.Set(t.Context(), entries); err != nil {
			return err
		}
		claimed, _, err := client.Claim(t.Context(), noon, 10, time.Minute)
		if err != nil {
			return err
		}
		require.Len(t, claimed, want)
		return client.Done(t.Context(), claimed)
	}
	require.NoError(t, cycle(2))

	require.NoError(t, raw.ScriptFlush(t.Context()).Err())
	require.NoError(t, cycle(2), "scripts forgotten")

	require.NoError(t, client.Set(t.Context(), []timer.Entry{{Endpoint: webhook.ID{1}, Due: noon}}))
	claimed, _, err := client.Claim(t.Context(), noon, 10, time.Minute)
	require.NoError(t, err)
	require.NoError(t, raw.FlushAll(t.Context()).Err())
	require.NoError(t, client.Done(t.Context(), claimed), "done of what was wiped")
	_, next, err := client.Claim(t.Context(), noon.Add(time.Hour), 10, time.Minute)
	require.NoError(t, err)
	require.Zero(t, next)
	require.Equal(t, timertest.State{}, s.Dump())
	require.NoError(t, cycle(2), "after a wipe")

	server.Kill()
	requireUnavailableSoon(t, client, password(t, server.URL))
	late := s.Open().(*Timer)
	defer late.Close()
	requireUnavailableSoon(t, late, password(t, server.URL))

	server.Start()
	const patience, every = 10 * time.Second, 20 * time.Millisecond
	require.Eventually(t, func() bool { return cycle(2) == nil }, patience, every)
	require.Eventually(t, func() bool { _, err := late.Len(t.Context()); return err == nil }, patience, every)
}

// A Redis that takes connections and never answers must not hold anybody up.
func TestSilentRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	const secret = "hunter2"
	client, err := Open("redis://:"+secret+"@"+listener.Addr().String(), Options{Timeout: 100 * time.Millisecond})
	require.NoError(t, err)
	defer client.Close()
	requireUnavailableSoon(t, client, secret)
}

func TestWrongPasswordIsUnavailable(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	url := strings.Replace(testenv.Redis(t), password(t, testenv.Redis(t)), secret, 1)
	client, err := Open(url, Options{})
	require.NoError(t, err)
	defer client.Close()
	requireUnavailableSoon(t, client, secret)
}

func TestOpenRefusesWhatIsNoURLWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://:hunter2@redis", "redis://:hunter2@a b", "redis://:hunter2@h:1/x"} {
		_, err := Open(url, Options{})
		require.ErrorIs(t, err, ErrBadURL)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// password returns the password of a URL of the tests' Redis.
func password(t *testing.T, url string) string {
	t.Helper()
	o := rawClient(t, url).Options()
	require.NotEmpty(t, o.Password)
	return o.Password
}
