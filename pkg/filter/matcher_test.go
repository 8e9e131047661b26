package filter_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/pkg/filter"
	"github.com/homing-hooks/homing/pkg/webhook"
)

func endpoint(filterText string, types ...string) webhook.Endpoint {
	return webhook.Endpoint{Types: types, Filter: filterText}
}

// order is an event with attributes of every type.
func order() *webhook.Event {
	return &webhook.Event{
		CEID: "1", Source: "/shop/a b?%", Type: "order.created", Subject: "o-1", Time: time.Unix(1_700_000_000, 0).UTC(),
		Extensions: map[string]any{"region": "eu", "priority": int32(7), "urgent": true},
	}
}

func matched(t *testing.T, e *webhook.Event, endpoints ...webhook.Endpoint) []int {
	m, errs := filter.Compile(endpoints)
	require.Nil(t, errs)
	got, failed := m.Match(nil, e)
	require.Empty(t, failed)
	return got
}

func TestTypes(t *testing.T) {
	t.Parallel()

	t.Run("MatchExactlyOrByWildcard", func(t *testing.T) {
		t.Parallel()
		for pattern, want := range map[string]bool{
			"order.created": true, "order.*": true, "*": true, "*.created": true, "order*created": true, "o*r*.*d": true,
			"order.created*": true, "*order.created": true, "**": true, "*r.c*": true, "order.**d": true,
			"order": false, "Order.created": false, "order.*.*": false, "*.updated": false, "order.created.*": false,
			"*created*order*": false, "order.created?": false, "order.c*created": false, "*d*d*d*d*": false, "o.*": false,
		} {
			require.Equal(t, want, len(matched(t, order(), endpoint("", pattern))) == 1, pattern)
		}
	})
	t.Run("NoneMeansEvery", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []int{0}, matched(t, order(), endpoint("")))
		require.Equal(t, []int{0}, matched(t, &webhook.Event{Type: ""}, endpoint("")))
	})
	t.Run("EachEndpointComesOnceInOrder", func(t *testing.T) {
		t.Parallel()
		got := matched(t, order(),
			endpoint("", "*.created", "order.created", "order.*", "order.created"), endpoint("", "x"), endpoint(""),
			endpoint("", "order.*"), endpoint("", "order.created"), endpoint("", "a", "*", "order.*"))
		require.Equal(t, []int{0, 2, 3, 4, 5}, got)
	})
	t.Run("OfOneEventLeaveNothingForTheNext", func(t *testing.T) {
		t.Parallel()
		m, _ := filter.Compile([]webhook.Endpoint{
			endpoint("", "order.*", "order.created"), endpoint("", "invoice.*", "invoice.paid"), endpoint("", "*"),
		})
		for range 3 {
			got, _ := m.Match(nil, order())
			require.Equal(t, []int{0, 2}, got)
			got, _ = m.Match(nil, &webhook.Event{Type: "invoice.paid"})
			require.Equal(t, []int{1, 2}, got)
		}
	})
	t.Run("OfAnyLengthOfBeginningAreFound", func(t *testing.T) {
		t.Parallel()
		for range 20 { // the beginnings come in any order
			got := matched(t, order(), endpoint("", "order.created.by.hand*"), endpoint("", "o*"), endpoint("", "order.c*"),
				endpoint("", "*d"), endpoint("", "order*"))
			require.Equal(t, []int{1, 2, 3, 4}, got)
		}
	})
	t.Run("AppendsToWhatItIsGiven", func(t *testing.T) {
		t.Parallel()
		m, _ := filter.Compile([]webhook.Endpoint{endpoint("", "x"), endpoint("", "order.created")})
		got, _ := m.Match([]int{9}, order())
		require.Equal(t, []int{9, 1}, got)
	})
	t.Run("NoEndpointsMatchNothing", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, matched(t, order()))
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()

	t.Run("SeeTheAttributesAsTheyCame", func(t *testing.T) {
		t.Parallel()
		for text, want := range map[string]bool{
			`source = '/shop/a b?%'`: true, `id = '1' AND type LIKE 'order.%' AND subject = 'o-1'`: true,
			`time = '2023-11-14T22:13:20Z'`: true, `specversion = '1.0'`: true,
			`region = 'eu' AND priority > 6 AND urgent`:                   true,
			`EXISTS datacontenttype OR EXISTS dataschema OR EXISTS other`: false, `EXISTS region`: true, `priority`: true,
			`priority - 7`: false, `'false'`: false,
		} {
			require.Equal(t, want, len(matched(t, order(), endpoint(text))) == 1, text)
		}
	})
	t.Run("RunOnlyForTypesThatMatch", func(t *testing.T) {
		t.Parallel()
		m, _ := filter.Compile([]webhook.Endpoint{endpoint("1 / 0 = 1", "other", "other.*")})
		got, failed := m.Match(nil, order())
		require.Empty(t, got)
		require.Empty(t, failed)
	})
	t.Run("ThatGoWrongDoNotMatchAndAreReported", func(t *testing.T) {
		t.Parallel()
		m, errs := filter.Compile([]webhook.Endpoint{
			endpoint("missing = 1"), endpoint("subject + 1 = 2"), endpoint("1 / 0 = 1"), endpoint("LEFT(type, -1) = 'x'"),
			endpoint("SUBSTRING(type, 2, -2) = 'x'"), endpoint("type"), endpoint("missing = 1"), endpoint("urgent"),
		})
		require.Nil(t, errs)
		for range 3 { // what a Match leaves behind does not reach the next
			got, failed := m.Match(nil, order())
			require.Equal(t, []int{7}, got)
			require.Equal(t, []filter.Failure{
				{Index: 0, Kind: filter.KindMissing}, {Index: 1, Kind: filter.KindCast}, {Index: 2, Kind: filter.KindMath},
				{Index: 3, Kind: filter.KindFunction}, {Index: 4, Kind: filter.KindInternal}, {Index: 5, Kind: filter.KindCast},
				{Index: 6, Kind: filter.KindMissing},
			}, failed)
		}
	})
	t.Run("ThatAreEqualSayTheSameOfEveryEvent", func(t *testing.T) {
		t.Parallel()
		m, _ := filter.Compile([]webhook.Endpoint{endpoint("priority > 5"), endpoint("priority > 5"),
			endpoint("priority < 5")})
		for priority, want := range map[int32][]int{7: {0, 1}, 3: {2}} {
			e := order()
			e.Extensions["priority"] = priority
			got, _ := m.Match(nil, e)
			require.Equal(t, want, got)
		}
	})
}

func TestEndpointsThatCannotBeReadAreReported(t *testing.T) {
	t.Parallel()
	m, errs := filter.Compile([]webhook.Endpoint{
		endpoint("", "order.created"), endpoint("type =", "order.*"), endpoint("type =", "other"), endpoint("urgent", ""),
		endpoint("urgent"),
	})
	require.Len(t, errs, 5)
	for i, bad := range []bool{false, true, true, true, false} {
		require.Equal(t, bad, errs[i] != nil, i)
	}
	require.ErrorIs(t, errs[1], filter.ErrInvalid)
	got, failed := m.Match(nil, order())
	require.Equal(t, []int{0, 4}, got)
	require.Equal(t, []filter.Failure{
		{Index: 1, Kind: filter.KindInvalid}, {Index: 3, Kind: filter.KindInvalid},
	}, failed, "one whose types are known only for those, one whose types are not for every event")
}

func TestMatcherIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	m, _ := filter.Compile([]webhook.Endpoint{
		endpoint("priority = 1", "order.*"), endpoint("priority = 2"), endpoint("CONCAT('p', STRING(priority)) = 'p3'",
			"order.created"),
		endpoint("missing = 1"),
	})
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 500 {
				e := order()
				want := (worker + i) % 3
				e.Extensions = map[string]any{"priority": int32(want + 1)}
				got, failed := m.Match(nil, e)
				if !slices.Equal(got, []int{want}) || len(failed) != 1 {
					t.Errorf("got %v, %v instead of %d", got, failed, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestFiltersAreReadConcurrently(t *testing.T) {
	t.Parallel()
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				if err := filter.Validate(nil, fmt.Sprintf("a%d = %d OR LENGTH(type) > %d", worker, i, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// slowMatch is what a pattern means, in the plainest way.
func slowMatch(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	}
	return s != "" && s[0] == pattern[0] && slowMatch(pattern[1:], s[1:])
}

func TestWildcardsMeanWhatTheyShould(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	text := func(letters string, n int) string {
		b := make([]byte, 1+random.IntN(n))
		for i := range b {
			b[i] = letters[random.IntN(len(letters))]
		}
		return string(b)
	}
	hits := 0
	for range 5_000 {
		pattern, eventType := text("ab*.", 7), text("ab.", 9)
		want := slowMatch(pattern, eventType)
		if want {
			hits++
		}
		require.Equal(t, want, len(matched(t, &webhook.Event{Type: eventType}, endpoint("", pattern))) == 1,
			"%s on %s", pattern, eventType)
	}
	require.Greater(t, hits, 250)
}

func FuzzMatch(f *testing.F) {
	f.Add("order.*", "type LIKE 'order.%'", "order.created", "eu")
	f.Add("*a*b*", "CONCAT_WS(region, region, region) = ''", "xaxb", "b")
	f.Add("", "SUBSTRING(region, 1, -1)", "", "\x00")
	f.Fuzz(func(t *testing.T, pattern, text, eventType, region string) {
		endpoints := []webhook.Endpoint{endpoint(text, pattern), endpoint(""), endpoint(text), endpoint("", pattern, "z")}
		m, errs := filter.Compile(endpoints)
		for i, e := range endpoints {
			err := filter.Validate(e.Types, e.Filter)
			require.Equal(t, err != nil, errs != nil && errs[i] != nil)
			if err != nil {
				require.ErrorIs(t, err, filter.ErrInvalid)
			}
		}
		got, failed := m.Match(nil, &webhook.Event{Type: eventType, Extensions: map[string]any{"region": region}})
		require.True(t, slices.IsSorted(got))
		require.Contains(t, got, 1)
		for _, failure := range failed {
			require.Contains(t, filter.Kinds, failure.Kind)
			require.NotContains(t, got, failure.Index)
		}
		if errs == nil && len(pattern) < 12 && len(eventType) < 12 {
			require.Equal(t, slowMatch(pattern, eventType) || eventType == "z", slices.Contains(got, 3))
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		for name, shape := range map[string]func(i int) webhook.Endpoint{
			// Every tenth endpoint wants the event, at least one.
			"exact":    func(i int) webhook.Endpoint { return endpoint("", fmt.Sprintf("order.created%d", i%10), "order.paid") },
			"wildcard": func(i int) webhook.Endpoint { return endpoint("", fmt.Sprintf("order.created%d*", i%10), "x.*") },
			"cesql": func(i int) webhook.Endpoint {
				return endpoint(fmt.Sprintf("region = 'eu' AND priority > %d", i), fmt.Sprintf("order.created%d", i%10))
			},
			"cesql-alike": func(i int) webhook.Endpoint {
				return endpoint("region = 'eu' AND priority > 5", fmt.Sprintf("order.created%d", i%10))
			},
			"cesql-all-run": func(i int) webhook.Endpoint { return endpoint(fmt.Sprintf("region = 'eu' AND priority > %d", i)) },
			"one-of-all":    func(i int) webhook.Endpoint { return endpoint("", fmt.Sprintf("order.created%d", i)) },
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				var endpoints []webhook.Endpoint
				for i := range n {
					endpoints = append(endpoints, shape(i))
				}
				m, errs := filter.Compile(endpoints)
				require.Nil(b, errs)
				e := order()
				e.Type = "order.created0"
				var dst []int
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = m.Match(dst[:0], e)
				}
				require.NotEmpty(b, dst)
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	var endpoints []webhook.Endpoint
	for i := range 10_000 {
		endpoints = append(endpoints, endpoint(fmt.Sprintf("region = 'eu' AND priority > %d", i), "order.*", "invoice.paid"))
	}
	b.ReportAllocs()
	for b.Loop() {
		filter.Compile(endpoints)
	}
}

// BenchmarkWorstFilter evaluates the dearest filters that are let through, on an event with attributes of 2 KiB.
func BenchmarkWorstFilter(b *testing.B) {
	long := strings.Repeat("a", 2048)
	concat := "CONCAT(a" + strings.Repeat(",a", 7) + ")"
	separated := "a"
	for filter.Validate(nil, "LENGTH(CONCAT_WS("+separated+",'','','','','','')) > 0") == nil {
		separated = "CONCAT_WS(" + separated + ",'','','','','','')"
	}
	for name, text := range map[string]string{
		"like":      concat + " LIKE '%" + strings.Repeat("a", 240) + "b'",
		"separator": "LENGTH(" + separated + ") > 0",
	} {
		b.Run(name, func(b *testing.B) {
			m, errs := filter.Compile([]webhook.Endpoint{endpoint(text)})
			require.Nil(b, errs)
			b.ReportAllocs()
			for b.Loop() {
				m.Match(nil, &webhook.Event{Type: "a", Extensions: map[string]any{"a": long}})
			}
		})
	}
}
