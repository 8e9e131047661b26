package wire_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
	"github.com/homing-hooks/homing/pkg/wire"
)

var update = flag.Bool("update", false, "write the golden files anew: a change of them is a change of the protocol")

var (
	at       = time.Date(2026, 3, 1, 12, 30, 15, 123456000, time.UTC)
	delivery = webhook.ID{0x01, 0x95, 0x51, 0x2f, 0xa0, 0x01, 0x70, 1, 0x80, 15: 0x0d}
	endpoint = webhook.ID{0x01, 0x95, 0x51, 0x2f, 0xa0, 0x01, 0x70, 2, 0x80, 15: 0x0e}
	hintID   = webhook.ID{0x01, 0x95, 0x51, 0x2f, 0xa0, 0x01, 0x70, 3, 0x80, 15: 0x0f}
)

// hints are those of the golden files, by the files' names.
func hints() map[string]wire.Hint {
	return map[string]wire.Hint{
		"due": {Type: wire.TypeDue, Deliveries: []wire.Due{{Delivery: delivery, Endpoint: endpoint, Due: at}}},
		"rescheduled": {
			Type: wire.TypeRescheduled, Partition: 3,
			Deliveries: []wire.Due{{delivery, endpoint, 4, at}, {endpoint, delivery, 1, at.Add(time.Hour)}},
		},
		"overdue": {
			Type: wire.TypeOverdue, Partition: 12,
			Endpoints: []wire.Endpoint{{endpoint, at}, {delivery, at.Truncate(time.Second)}},
		},
		"jobs": {Type: wire.TypeJobs},
		"both": {
			Type:       wire.TypeDue,
			Deliveries: []wire.Due{{delivery, endpoint, 1, at}}, Endpoints: []wire.Endpoint{{endpoint, at}},
		},
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, hint := range hints() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".json")
			e, err := wire.Encode(&hint, hintID, at)
			require.NoError(t, err)
			require.NoError(t, e.Validate())
			got, err := json.MarshalIndent(e, "", "  ")
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n", "old processes would not understand us")

			var old event.Event
			require.NoError(t, json.Unmarshal(want, &old))
			decoded, err := wire.Decode(&old)
			require.NoError(t, err)
			require.Equal(t, hint, decoded)
		})
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	one := fmt.Sprintf(`{"id":%q,"endpoint":%q,"attempt":1,"due":"2026-03-01T12:30:15Z"}`, delivery, endpoint)
	listed := func(old, other string) string { return `{"deliveries":[` + strings.Replace(one, old, other, 1) + `]}` }
	due := []wire.Due{{delivery, endpoint, 1, at.Truncate(time.Second)}}
	for name, test := range map[string]struct {
		data      string
		partition any
		want      wire.Hint
		err       error
	}{
		"PassesOverFieldsOfANewerSender": {
			data: strings.Replace(listed("{", `{"priority":{"x":[1]},`), "{", `{"v":2,"tenants":["a"],`, 1),
			want: wire.Hint{Deliveries: due},
		},
		"TakesAHintThatNamesNothing":   {data: `{}`},
		"TakesAPartitionThatIsANumber": {data: `{}`, partition: int32(7), want: wire.Hint{Partition: 7}},
		"TakesAHundred":                {data: list(one, 100), want: wire.Hint{Deliveries: repeat(due[0], 100)}},
		"RefusesMoreThanAHundred":      {data: list(one, 101), err: wire.ErrTooBig},
		"RefusesMoreThan32KiB":         {data: `{"x":"` + strings.Repeat("x", wire.MaxSize) + `"}`, err: wire.ErrTooBig},
		"RefusesWhatIsNotJSON":         {data: `deliveries`, err: wire.ErrMalformed},
		"RefusesNoData":                {data: ``, err: wire.ErrMalformed},
		"RefusesAnIDThatIsNone":        {data: `{"deliveries":[{}]}`, err: wire.ErrMalformed},
		"RefusesAnIDThatIsNotOne":      {data: `{"endpoints":[{"id":"secret"}]}`, err: wire.ErrMalformed},
		"RefusesAnEndpointThatIsNone":  {data: `{"endpoints":[null]}`, err: wire.ErrMalformed},
		"RefusesANegativeAttempt":      {data: listed(":1,", ":-1,"), err: wire.ErrMalformed},
		"RefusesATimeThatUTCCannotSay": {
			data: listed("2026-03-01T12:30:15Z", "9999-12-31T23:59:59-01:00"), err: wire.ErrMalformed,
		},
		"RefusesAPartitionThatIsNotOne":    {data: `{}`, partition: "-1", err: wire.ErrMalformed},
		"RefusesAPartitionOfAnotherType":   {data: `{}`, partition: true, err: wire.ErrMalformed},
		"RefusesAPartitionOfNegativeValue": {data: `{}`, partition: int32(-1), err: wire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := carrier(wire.TypeDue, test.data)
			if test.partition != nil {
				e.SetExtension(wire.PartitionAttribute, test.partition)
			}
			got, err := wire.Decode(&e)
			if test.err != nil {
				require.ErrorIs(t, err, test.err)
				require.NotContains(t, err.Error(), "secret")
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			test.want.Type = wire.TypeDue
			require.Equal(t, test.want, got)
		})
	}
	for name, e := range map[string]event.Event{
		"RefusesATick":             carrier(wire.TypeTick, `{}`),
		"RefusesAnotherType":       carrier("com.example.order", `{}`),
		"RefusesAnEventWithNoType": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.Decode(&e)
			require.ErrorIs(t, err, wire.ErrType)
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hint wire.Hint
		err  error
	}{
		"AnotherType": {wire.Hint{Type: wire.TypeTick}, wire.ErrType},
		"MoreThanAHundred": {
			wire.Hint{Type: wire.TypeDue, Deliveries: make([]wire.Due, 60), Endpoints: make([]wire.Endpoint, 41)},
			wire.ErrTooBig,
		},
		"ANegativePartition":  {wire.Hint{Type: wire.TypeDue, Partition: -1}, wire.ErrMalformed},
		"ATypeThatIsNotThere": {wire.Hint{}, wire.ErrType},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.Encode(&test.hint, hintID, at)
			require.ErrorIs(t, err, test.err)
		})
	}
}

func TestAFullHintFitsTwice(t *testing.T) {
	t.Parallel()
	e, err := wire.Encode(full(), hintID, at)
	require.NoError(t, err)
	require.Less(t, 2*len(e.Data()), wire.MaxSize+1, "a newer sender needs room for new fields")
}

func TestEncodeWritesWhatEncodingJSONWould(t *testing.T) {
	t.Parallel()
	for name, hint := range hints() {
		e, err := wire.Encode(&hint, hintID, at)
		require.NoError(t, err)
		want, err := json.Marshal(hint)
		require.NoError(t, err)
		require.Equal(t, string(want), string(e.Data()), name)
	}
}

func TestPartitionOf(t *testing.T) {
	t.Parallel()
	t.Run("NeverChanges", func(t *testing.T) {
		t.Parallel()
		// Literals: a process of another version has to find the same.
		for n, want := range map[int]int{0: 0, 1: 0, 9: 6, 100: 12, 1000: 12} {
			require.Equal(t, want, wire.PartitionOf(endpoint, n), n)
		}
	})
	t.Run("SpreadsEndpointsMadeTogether", func(t *testing.T) {
		t.Parallel()
		var ids webhook.IDSource
		var count [8]int
		for range 8000 {
			count[wire.PartitionOf(ids.New(at), len(count))]++
		}
		for _, n := range count {
			require.InDelta(t, 1000, n, 200)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, hint := range hints() {
		e, err := wire.Encode(&hint, hintID, at)
		require.NoError(f, err)
		f.Add(e.Type(), "0", e.Data())
	}
	f.Add(wire.TypeDue, "x", []byte(`{"deliveries":[{}],"endpoints":null}`))
	f.Fuzz(func(t *testing.T, eventType, partition string, data []byte) {
		e := carrier(eventType, string(data))
		e.SetExtension(wire.PartitionAttribute, partition)
		hint, err := wire.Decode(&e)
		if err != nil {
			require.Zero(t, hint)
			return
		}
		require.LessOrEqual(t, len(hint.Deliveries)+len(hint.Endpoints), wire.MaxIDs)
		// What was decoded can be sent on and means the same.
		again, err := wire.Encode(&hint, hintID, at)
		require.NoError(t, err)
		require.LessOrEqual(t, len(again.Data()), wire.MaxSize)
		twice, err := wire.Decode(&again)
		require.NoError(t, err)
		third, err := wire.Encode(&twice, hintID, at)
		require.NoError(t, err)
		require.Equal(t, again, third)
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1, 100} {
		hint := full()
		hint.Deliveries = hint.Deliveries[:n]
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := wire.Encode(hint, hintID, at); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("ids=%d/encoding=json", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(hint); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 100} {
		hint := full()
		hint.Deliveries = hint.Deliveries[:n]
		e, err := wire.Encode(hint, hintID, at)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("ids=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(e.Data())))
			for b.Loop() {
				if _, err := wire.Decode(&e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func full() *wire.Hint {
	h := wire.Hint{Type: wire.TypeRescheduled, Partition: 1}
	for i := range wire.MaxIDs {
		h.Deliveries = append(h.Deliveries, wire.Due{delivery, endpoint, i, at.Add(time.Duration(i) * time.Microsecond)})
	}
	return &h
}

func carrier(eventType, data string) event.Event {
	e := event.New()
	e.SetID("1")
	e.SetSource("/anybody")
	e.SetType(eventType)
	e.SetDataContentType("application/json")
	e.DataEncoded = []byte(data)
	return e
}

func list(one string, n int) string {
	return `{"deliveries":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
}

func repeat(d wire.Due, n int) []wire.Due {
	all := make([]wire.Due, n)
	for i := range all {
		all[i] = d
	}
	return all
}
