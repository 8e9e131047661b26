package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
)

const (
	terraformDir = "terraform"
	documentPath = "docs/security/access.md"
)

var errStale = errors.New("accessdoc: " + documentPath + " is not what terraform/ says: run `go run ./hack/accessdoc`")

func main() {
	check := flag.Bool("check", false, "say whether the document is current, and write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run reads ./terraform and writes the document, or compares it.
func run(check bool) error {
	document, err := generate(terraformDir)
	if err != nil {
		return err
	}
	if !check {
		return os.WriteFile(documentPath, document, 0o644) //nolint:gosec // a document, for everybody to read
	}
	present, err := os.ReadFile(documentPath)
	if err != nil {
		return err
	}
	if !bytes.Equal(present, document) {
		return errStale
	}
	return nil
}

// generate returns the document of all configurations below dir.
func generate(dir string) ([]byte, error) {
	configurations, err := load(dir)
	if err != nil {
		return nil, err
	}
	return render(configurations)
}
