package store

import (
	"maps"
	"math"
	"slices"
	"time"
)

// cellsPerOctave is how many cells of a [Histogram] there are from a duration to its double.
const cellsPerOctave = 8

// Histogram counts durations in cells that grow with them: cell c has those from 2^(c/8) to 2^((c+1)/8) µs, so what it
// says of a duration is right to within 5 %. Only cells with something in them are kept.
type Histogram map[int]int64

// Add counts a duration.
func (h Histogram) Add(d time.Duration) {
	h[int(math.Floor(cellsPerOctave*math.Log2(float64(max(d.Microseconds(), 1)))))]++
}

// Merge counts what another one has counted as well.
func (h Histogram) Merge(other Histogram) {
	for cell, n := range other {
		h[cell] += n
	}
}

// Quantile returns the duration that a share q of them (0 to 1) does not exceed, to within 5 %; 0 when there are none.
func (h Histogram) Quantile(q float64) time.Duration {
	var total int64
	for _, n := range h {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := max(int64(math.Ceil(q*float64(total))), 1)
	for _, cell := range slices.Sorted(maps.Keys(h)) {
		if rank -= h[cell]; rank <= 0 {
			return time.Duration(math.Exp2((float64(cell)+0.5)/cellsPerOctave) * float64(time.Microsecond))
		}
	}
	return 0
}
