package main

import (
	"encoding/json"
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations are counted in microseconds in buckets that are at most 1/64 wide.
const (
	subBits = 6
	subs    = 1 << subBits
	buckets = subs * 32
)

// histogram counts durations. Any number of goroutines may add to it.
type histogram struct {
	counts [buckets]atomic.Uint64
}

func bucketOf(us uint64) int {
	shift := bits.Len64(us|(subs-1)) - subBits
	if shift > 30 {
		return buckets - 1
	}
	return shift<<subBits + int(us>>shift)
}

// upper returns the largest number of microseconds of a bucket.
func upper(bucket int) uint64 {
	shift := bucket >> subBits
	return uint64(bucket-shift<<subBits+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d.Microseconds(), 0)))].Add(1)
}

// summary is what is told of a histogram.
type summary struct {
	Count         uint64
	P50, P90, P99 time.Duration
	Max           time.Duration
}

func (h *histogram) summary() summary {
	var s summary
	for i := range h.counts {
		s.Count += h.counts[i].Load()
	}
	var seen uint64
	for i := range h.counts {
		n := h.counts[i].Load()
		if n == 0 {
			continue
		}
		seen += n
		at := time.Duration(upper(i)) * time.Microsecond
		for _, p := range []struct {
			into *time.Duration
			part float64
		}{{&s.P50, 0.5}, {&s.P90, 0.9}, {&s.P99, 0.99}} {
			if *p.into == 0 && float64(seen) >= p.part*float64(s.Count) {
				*p.into = at
			}
		}
		s.Max = at
	}
	return s
}

// MarshalJSON writes the summary.
func (h *histogram) MarshalJSON() ([]byte, error) { return json.Marshal(h.summary()) }
