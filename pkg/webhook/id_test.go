package webhook_test

import (
	"bytes"
	"encoding"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/webhook"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)

func TestIDSource(t *testing.T) {
	t.Parallel()

	t.Run("MakesUUIDv7OfTheTime", func(t *testing.T) {
		t.Parallel()
		var source webhook.IDSource
		id := source.New(now)
		require.Equal(t, now.Truncate(time.Millisecond), id.Time())
		require.Equal(t, byte(7), id[6]>>4, "version (RFC 9562, section 4.2)")
		require.Equal(t, byte(0b10), id[8]>>6, "variant (RFC 9562, section 4.1)")
		require.False(t, id.IsZero())
		require.True(t, webhook.ID{}.IsZero())
	})
	t.Run("IncreasesWhateverTheClockDoes", func(t *testing.T) {
		t.Parallel()
		var source webhook.IDSource
		last := source.New(now)
		for i := range 20_000 {
			at := now.Add(time.Duration(i%7) * 100 * time.Microsecond)
			if i%100 == 0 {
				at = at.Add(-time.Hour)
			}
			id := source.New(at)
			require.Negative(t, bytes.Compare(last[:], id[:]), i)
			require.Equal(t, byte(7), id[6]>>4)
			last = id
		}
		require.WithinDuration(t, now, last.Time(), 10*time.Millisecond, "what it runs ahead by is small")
	})
	t.Run("NeverMakesOneTwice", func(t *testing.T) {
		t.Parallel()
		var source, other webhook.IDSource
		var mu sync.Mutex
		seen := make(map[webhook.ID]bool)
		var group sync.WaitGroup
		for worker := range 8 {
			group.Go(func() {
				from := &source
				if worker%2 == 1 {
					from = &other
				}
				for range 2000 {
					id := from.New(now)
					mu.Lock()
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		group.Wait()
		require.Len(t, seen, 16_000)
	})
}

func TestSiblingsAreOfTheSameMoment(t *testing.T) {
	t.Parallel()
	var source webhook.IDSource
	id := source.New(now)
	seen := map[webhook.ID]bool{id: true}
	for range 1000 {
		sibling := id.Sibling()
		require.Equal(t, id[:8], sibling[:8])
		require.Equal(t, byte(0b10), sibling[8]>>6)
		require.False(t, seen[sibling])
		seen[sibling] = true
	}
}

func TestBoundsHoldTheIDsOfTheirMillisecond(t *testing.T) {
	t.Parallel()
	var source webhook.IDSource
	first, last := webhook.FirstID(now), webhook.LastID(now)
	before, after := webhook.LastID(now.Add(-time.Millisecond)), webhook.FirstID(now.Add(time.Millisecond))
	id := source.New(now)
	order := []webhook.ID{before, first, id, last, after}
	require.True(t, slices.IsSortedFunc(order, func(a, b webhook.ID) int { return bytes.Compare(a[:], b[:]) }))
	require.Equal(t, now.Truncate(time.Millisecond), first.Time())
	require.Equal(t, first.Time(), last.Time())
}

func TestIDTexts(t *testing.T) {
	t.Parallel()
	const text = "01890a5d-ac96-774b-bcce-b302099a8057"
	id, err := webhook.ParseID(text)
	require.NoError(t, err)
	require.Equal(t, text, id.String())
	upper, err := webhook.ParseID(strings.ToUpper(text))
	require.NoError(t, err)
	require.Equal(t, id, upper)

	var _ encoding.TextMarshaler = id
	marshalled, err := id.MarshalText()
	require.NoError(t, err)
	var again webhook.ID
	require.NoError(t, again.UnmarshalText(marshalled))
	require.Equal(t, id, again)
	for _, bad := range []string{
		"", text[:35], text + "0", strings.ReplaceAll(text, "-", ""), strings.Replace(text, "-", "_", 1), "x" + text[1:],
		"{" + text[1:35] + "}", strings.Replace(text, "0", "g", 1), "0189０-5d-ac96-774b-bcce-b302099a805",
	} {
		_, err := webhook.ParseID(bad)
		require.ErrorIs(t, err, webhook.ErrBadID, bad)
		require.ErrorIs(t, again.UnmarshalText([]byte(bad)), webhook.ErrBadID)
		require.Equal(t, id, again, "a bad text changes nothing")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01890a5d-ac96-774b-bcce-b302099a8057")
	f.Add("01890A5D-AC96-774B-BCCE-B302099A8057")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := webhook.ParseID(text)
		if err != nil {
			require.True(t, id.IsZero())
			return
		}
		require.Equal(t, strings.ToLower(text), id.String())
	})
}

func BenchmarkNewID(b *testing.B) {
	var source webhook.IDSource
	b.ReportAllocs()
	for b.Loop() {
		source.New(now)
	}
}

func BenchmarkParseID(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = webhook.ParseID("01890a5d-ac96-774b-bcce-b302099a8057")
	}
}
