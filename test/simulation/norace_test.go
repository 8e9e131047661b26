//go:build !race

package simulation

// defaultSeeds is how many seeds a run of the tests tries.
const defaultSeeds = enoughSeeds
