package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/homing-hooks/homing/hack/pipelinedoc/workflow"
)

const (
	workflowsDir = ".github/workflows"
	documentPath = "docs/pipeline.md"
	begin        = "<!-- Drawn by hack/pipelinedoc from .github/workflows. Not to be edited. -->\n"
	end          = "<!-- End of what is drawn. -->\n"
)

var errStale = errors.New("pipelinedoc: " + documentPath +
	" is not what the workflows say: run `go run ./hack/pipelinedoc`")

func main() {
	check := flag.Bool("check", false, "say whether the drawing is current, and write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(check bool) error {
	workflows, err := workflow.Load(workflowsDir)
	if err != nil {
		return err
	}
	present, err := os.ReadFile(documentPath)
	if err != nil {
		return err
	}
	document, err := replace(present, draw(workflows))
	if err != nil {
		return err
	}
	switch {
	case bytes.Equal(present, document):
		return nil
	case check:
		return errStale
	default:
		return os.WriteFile(documentPath, document, 0o644) //nolint:gosec // a document, for everybody to read
	}
}

// replace puts the drawing between the marks.
func replace(document, drawing []byte) ([]byte, error) {
	before, rest, found := bytes.Cut(document, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !found || !ended {
		return nil, errors.New("pipelinedoc: " + documentPath + " has no marks to draw between")
	}
	return bytes.Join([][]byte{before, []byte(begin), drawing, []byte(end), after}, nil), nil
}
