package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

var errStale = errors.New("not what terraform/ and knative/ say: run `go run ./hack/infradoc`")

func main() {
	check := flag.Bool("check", false, "say whether the documents are current, and write nothing")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "infradoc:", err)
		os.Exit(1)
	}
}

// run reads root/terraform and root/knative, and writes the documents below root/docs, or compares them.
func run(root string, check bool) error {
	documents, err := generate(filepath.Join(root, "terraform"), filepath.Join(root, "knative"))
	if err != nil {
		return err
	}
	for name, want := range documents {
		path := filepath.Join(root, "docs", name)
		if !check {
			if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // a document, for everybody to read
				return err
			}
			continue
		}
		present, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(present, want) {
			return fmt.Errorf("%s: %w", name, errStale)
		}
	}
	return nil
}

// generate returns the documents by the name of their file.
func generate(dir, knative string) (map[string][]byte, error) {
	var environments []*environment
	for _, name := range []string{"dev", "staging", "prod"} {
		e, err := readEnvironment(filepath.Join(dir, "environments", name))
		if err != nil {
			return nil, err
		}
		environments = append(environments, e)
	}
	prices, err := readPrices(filepath.Join(dir, "prices.yaml"))
	if err != nil {
		return nil, err
	}
	costs, err := renderCosts(environments, prices)
	if err != nil {
		return nil, err
	}
	guide, err := renderEnvironments(environments, knative)
	if err != nil {
		return nil, err
	}
	diagrams, err := renderDiagrams(dir)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"costs.md": costs, "infrastructure.md": diagrams, "environments.md": guide,
	}, nil
}
