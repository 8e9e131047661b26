package main

import (
	"fmt"
	"os"

	"knative.dev/pkg/signals"
)

func main() {
	a := newApp()
	if err := a.root().ExecuteContext(signals.NewContext()); err != nil {
		fmt.Fprintln(os.Stderr, "homing:", a.say(err))
		os.Exit(a.exitCode(err))
	}
}
