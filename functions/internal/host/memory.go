package host

import (
	"math"
	"runtime/debug"
	"sync"
)

// headroom is how much is allocated between two garbage collections at least. What lives is small (some 10 MB), and
// without this each collection would look at all of it, and at the stacks of all requests, every few milliseconds: a
// seventh of the process's CPU at full load.
const headroom = 32 << 20

// ballast counts as living memory, so that the heap may grow by as much before the collector runs. Nobody touches it,
// so it takes addresses and no memory.
var ballast = sync.OnceValue(func() []byte { return make([]byte, headroom) })

// keepHeadroom makes the collector run less often, unless somebody bounds the memory (GOMEMLIMIT): the bound would
// count the ballast.
func keepHeadroom() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		_ = ballast()
	}
}
