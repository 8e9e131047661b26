package batch

import "sync"

// waiter is one caller: the results of its items, and the signal that they are all there.
type waiter[R any] struct {
	one     [1]R // where the result of Do is, without an allocation
	results []R
	bytes   int           // all of its items together
	done    chan struct{} // one signal, when left reaches 0

	taken int  // items that a run has taken; guarded by the group's mu
	gone  bool // the caller has given up; guarded by the group's mu

	mu   sync.Mutex // runs at the same time answer one waiter
	left int        // items without a result
	err  error      // of the first run that failed
}

// expect makes the waiter one for as many results as fit.
func (w *waiter[R]) expect(results []R) {
	w.results, w.left = results, len(results)
}

// entry is one item in the line.
type entry[T, R any] struct {
	item   T
	waiter *waiter[R]
	index  int // of the item's result
	size   int
}

// line is the queue of items that no run has taken. It reuses its memory.
type line[T, R any] struct {
	entries []entry[T, R]
	head    int // entries before it are taken
}

// add puts entries at the end.
func (l *line[T, R]) add(entries ...entry[T, R]) {
	if len(l.entries)+len(entries) > cap(l.entries) && l.head > len(l.entries)/2 {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.entries, l.head = l.entries[:n], 0
	}
	l.entries = append(l.entries, entries...)
}

// len counts the entries in the line, with those whose callers have given up.
func (l *line[T, R]) len() int { return len(l.entries) - l.head }

// take moves what fits into one run from the line to b, and reports whether there was anything. The items of callers
// that have given up are dropped on the way.
func (l *line[T, R]) take(b *batch[T, R], maxItems, maxBytes int) bool {
	bytes := 0
	for ; l.head < len(l.entries); l.head++ {
		e := &l.entries[l.head]
		if e.waiter.gone {
			*e = entry[T, R]{}
			continue
		}
		if len(b.items) > 0 && !fits(e, len(b.items), bytes, maxItems, maxBytes) {
			return true
		}
		b.items = append(b.items, e.item)
		b.owners = append(b.owners, owner[R]{waiter: e.waiter, index: e.index})
		bytes += e.size
		e.waiter.taken++
		*e = entry[T, R]{}
	}
	l.entries, l.head = l.entries[:0], 0
	return len(b.items) > 0
}

// fits reports whether an entry may join a run that has items and bytes already. The first item of several that belong
// together joins only if they all fit: otherwise they begin a run of their own, and so are in as few as they can be.
func fits[T, R any](e *entry[T, R], items, bytes, maxItems, maxBytes int) bool {
	moreItems, moreBytes := 1, e.size
	if e.waiter.taken == 0 {
		moreItems, moreBytes = len(e.waiter.results), e.waiter.bytes
	}
	return (maxItems <= 0 || items+moreItems <= maxItems) && (maxBytes <= 0 || bytes+moreBytes <= maxBytes)
}

// owner says whose an item of a run is.
type owner[R any] struct {
	waiter *waiter[R]
	index  int
}

// batch is the content of one run.
type batch[T, R any] struct {
	items  []T
	owners []owner[R]
}

// answer gives every caller its result, wakes those that have all of theirs, and empties the batch.
func (b *batch[T, R]) answer(results []R, err error) {
	for i, o := range b.owners {
		w := o.waiter
		w.mu.Lock()
		if err == nil {
			w.results[o.index] = results[i]
		} else if w.err == nil {
			w.err = err
		}
		w.left--
		last := w.left == 0
		w.mu.Unlock()
		if last { // the waiter is its caller's again from here on
			w.done <- struct{}{}
		}
	}
	clear(b.items)
	clear(b.owners)
	b.items, b.owners = b.items[:0], b.owners[:0]
}
