package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHistogramIsRightWithinASixtyFourth(t *testing.T) {
	t.Parallel()
	for _, us := range []int64{0, 1, 63, 64, 65, 1000, 12_345, 1_000_000, 3_600_000_000} {
		var h histogram
		h.add(time.Duration(us) * time.Microsecond)
		got := h.summary().P99.Microseconds()
		require.GreaterOrEqual(t, got, us)
		require.LessOrEqual(t, got-us, us/32+1)
	}
	var h histogram
	for i := range 100 {
		h.add(time.Duration(i) * time.Microsecond)
	}
	s := h.summary()
	require.EqualValues(t, 100, s.Count)
	require.InDelta(t, 49, s.P50.Microseconds(), 2)
	require.InDelta(t, 98, s.P99.Microseconds(), 2)
}

func TestRequestsOfTheProducerAreCloudEvents(t *testing.T) {
	t.Parallel()
	j := job{Addr: "127.0.0.1:1", Key: "k", First: 41, Types: 10, Type: typePrefix}
	at := time.Unix(1_700_000_000, 123_456_789)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(newEnvelope(&j).request(&j, 12, at))))
	require.NoError(t, err)
	require.Equal(t, "000000000053", r.Header.Get("Ce-Id"))
	require.Equal(t, typeName(typePrefix, 2), r.Header.Get("Ce-Type"))
	ceTime, err := time.Parse(time.RFC3339Nano, r.Header.Get("Ce-Time"))
	require.NoError(t, err)
	require.Equal(t, at.UTC().Truncate(time.Microsecond), ceTime)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Len(t, body, payloadSize)
	var payload struct{ N, T string }
	require.NoError(t, json.Unmarshal(body, &payload))
	require.Equal(t, "000000000053", payload.N)
	require.Equal(t, "1700000000123456789", payload.T)
}

// TestReceiverCountsWhatIsNew: that a number is only printed when nothing was lost depends on it.
func TestReceiverCountsWhatIsNew(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	in, orders := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- receiveMain(ctx, in, out) }()
	decode := json.NewDecoder(answers)
	ask := func(o *order) (r received) {
		if o != nil {
			require.NoError(t, json.NewEncoder(orders).Encode(o))
		}
		require.NoError(t, decode.Decode(&r))
		return r
	}
	addr := ask(nil).Addr
	ask(&order{Op: "count", First: 100, Fan: 2, FailOneIn: 101})

	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	reader := bufio.NewReader(c)
	post := func(number int64, path, attempt string) int {
		body := newBody()
		putDigits(body[bodyNumber:bodyNumber+12], number)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, bytes.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Homing-Attempt", attempt)
		require.NoError(t, r.Write(c))
		answer, err := http.ReadResponse(reader, r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, err)
		return answer.StatusCode
	}
	require.Equal(t, 200, post(100, "/e/0", "1"))
	require.Equal(t, 200, post(100, "/e/1", "1"))
	require.Equal(t, 200, post(100, "/e/1", "1"), "twice")
	require.Equal(t, 200, post(99, "/e/1", "1"), "of an earlier load")
	require.Equal(t, 500, post(101, "/e/0", "1"))
	require.Equal(t, 200, post(101, "/e/0", "2"))

	got := ask(&order{Op: "retries"})
	require.EqualValues(t, 3, got.Distinct)
	require.EqualValues(t, 5, got.Posts)
	require.EqualValues(t, 1, got.Failed)
	require.EqualValues(t, 1, got.Stray)
	require.Contains(t, got.Retries, int64(101))
	require.NoError(t, orders.Close())
	require.NoError(t, <-ended)
}

func TestCPUOfAProcessIsCounted(t *testing.T) {
	t.Parallel()
	const burnt = 100 * time.Millisecond
	for ownCPU() < burnt {
		_ = bytes.Repeat([]byte("x"), 1<<16)
	}
	u := usageOf(map[string][]int{"self": {os.Getpid()}})
	require.InDelta(t, ownCPU().Seconds(), u.total().Seconds(), 0.1)
}
