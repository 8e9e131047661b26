// Package batch is group commit: many callers, each with an item, share the runs of one expensive operation, such as
// a commit to Postgres.
//
// It owns the waiting line and the runs. What arrives while the allowed number of runs is under way goes into the
// next run; when fewer are, an item runs at once. So an idle process adds no wait, and a busy one needs no tuning:
// the slower the operation, the larger its groups. Where callers can wait a little, Config.Pace makes a busy group's
// runs fewer and larger still.
//
//	callers:  a        b c d                e
//	runs:     [a          ][b c d       ]   [e  ]      (MaxInFlight 1)
//
// It promises:
//
//   - Every call gets the result of its own item, or an error, exactly once; runs are in order of arrival.
//   - A run holds at most MaxItems items and MaxBytes bytes; an item larger than MaxBytes runs alone.
//   - The items of one [Group.DoMany] are in as few runs as they can be.
//   - A caller that gives up harms nobody else: runs have a context of their own, with a timeout. An item that no run
//     has taken yet leaves the line ([ErrNotRun]); one that a run has taken is finished without its caller.
//   - A run that panics (or ends its goroutine) fails its own items with a [PanicError], which is also logged once,
//     with its stack, through slog's default logger. The process and the group go on: one poisonous item must not
//     take down what the other callers are in the middle of, and none of them is left waiting.
//   - [Group.Close] drains: what was taken in is run, and what comes later is refused.
//
// It never keeps a goroutine while there is nothing to run, and never has more of them than MaxInFlight.
package batch
