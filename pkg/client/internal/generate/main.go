// Command generate writes the part of pkg/client that follows from docs/api/openapi.json: a type for each schema, and a
// method of Client for each operation. `make generate` runs it.
//
// It knows what Homing's document uses of OpenAPI, and refuses what it does not know rather than guess.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate openapi.json out.go")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(document, out string) error {
	text, err := os.ReadFile(document) //nolint:gosec // named by who runs it
	if err != nil {
		return err
	}
	code, err := generate(text)
	if err != nil {
		return err
	}
	return os.WriteFile(out, code, 0o600) //nolint:gosec // as above
}
