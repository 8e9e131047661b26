// Command homing is Homing's command line: the server in one process, and the tools around it. `homing --help` lists
// them.
package main

import (
	"fmt"
	"os"

	"knative.dev/pkg/signals"
)

func main() {
	if err := newApp().root().ExecuteContext(signals.NewContext()); err != nil {
		fmt.Fprintln(os.Stderr, "homing:", err)
		os.Exit(1)
	}
}
