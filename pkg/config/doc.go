// Package config is everything that can be set, read from the environment.
//
// It owns the names of the variables, their defaults, and what may be combined with what. Variables of our own begin
// with HOMING_; those that a platform or a convention has named keep their names (DATABASE_URL, PORT, K_SINK, ...).
//
// It promises:
//
//   - A process starts only with settings that make sense together: [Load] reports everything that is wrong at once,
//     and each problem names the variable and says how to mend it.
//   - A HOMING_ variable that nobody knows is an error that names the nearest one that exists, for a misspelled
//     setting that is silently ignored is worse than a process that does not start.
//   - What is secret stays so: [Secret], [URL] and [Key] print, log and marshal as redacted, wherever they end up,
//     and no error shows their value.
//   - On Knative (K_SERVICE is set) back ends in memory are refused.
//   - docs/configuration.md says the same as the comments here: it is made of them, by [Doc], and a test holds it.
//
// It never reads anything but the environment that it is given, and never opens a connection.
//
// An empty variable counts as one that is not set. Durations are numbers with units (90d, 24h, 5m, 1.5s, 250ms),
// sizes are bytes or numbers with KiB, MiB or GiB, lists are separated by commas.
package config

//go:generate go test -run TestDocIsCurrent -update .
