//go:build race

package simulation

// defaultSeeds are few with the race detector, which makes everything slower and has little to see in one goroutine.
const defaultSeeds = 1_000
