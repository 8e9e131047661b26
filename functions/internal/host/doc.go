// Package host makes a process of functions: it opens the services that the settings name, wires the steps to them, and
// starts and stops everything in the order that loses nothing.
//
// It owns the wiring, which mains and functions/local share: the same code runs as one process on a laptop and as one
// function on Knative, and which of them it is, is what [New] is given. It promises that nothing that is away keeps a
// process from starting, and that on the way down what was taken is finished before what it needs is closed. It never
// decides anything about an event or a delivery.
package host
