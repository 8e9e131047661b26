package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/hack/pipelinedoc/workflow"
)

const example = `name: x
on:
  push: {branches: [main], tags: ["v*"]}
  workflow_call:
jobs:
  second-job:
    needs: first
    uses: ./.github/workflows/other.yml
    with: {environment: prod}
  first:
    environment: dev
    steps:
      - run: make test
`

// TestDrawing: every job, what it waits for, what it calls, what starts it, and what it runs.
func TestDrawing(t *testing.T) {
	t.Parallel()
	w, err := workflow.Parse("deploy-it.yml", []byte(example))
	require.NoError(t, err)
	drawn := string(draw([]*workflow.Workflow{w}))
	for _, want := range []string{
		"  subgraph w_deploy_it[\"deploy-it.yml\"]\n",
		"    deploy_it_second_job[\"second-job\"]\n    deploy_it_first[\"first\"]\n",
		"    deploy_it_first --> deploy_it_second_job\n",
		"  on_deploy_it_push([\"push: main, v*\"]) --> w_deploy_it\n",
		"  deploy_it_second_job -. prod .-> w_other\n",
		"| deploy-it | second-job | first | prod | `other.yml` |\n",
		"| deploy-it | first |  | dev | `make test` |\n",
	} {
		require.Contains(t, drawn, want)
	}
	require.NotContains(t, drawn, "workflow_call")
}

// TestDrawingHasEveryCommand: nothing that a workflow runs is missing from the document.
func TestDrawingHasEveryCommand(t *testing.T) {
	t.Parallel()
	all, err := workflow.Load("../../.github/workflows")
	require.NoError(t, err)
	document, err := os.ReadFile("../../docs/pipeline.md")
	require.NoError(t, err)
	commands := 0
	for _, w := range all {
		for _, j := range w.Jobs {
			for _, s := range j.Steps {
				if s.Run != "" {
					commands++
					require.Contains(t, string(document), "`"+s.Run+"`", w.File)
				}
			}
		}
	}
	require.Equal(t, strings.Count(texts(all), "- run: "), commands)
}

func texts(all []*workflow.Workflow) string {
	var b strings.Builder
	for _, w := range all {
		b.WriteString(w.Text)
	}
	return b.String()
}

func TestDrawingNeedsItsMarks(t *testing.T) {
	t.Parallel()
	got, err := replace([]byte("a\n"+begin+"old\n"+end+"b\n"), []byte("new\n"))
	require.NoError(t, err)
	require.Equal(t, "a\n"+begin+"new\n"+end+"b\n", string(got))
	_, err = replace([]byte("a\n"+begin+"old\n"), nil)
	require.Error(t, err)
}
