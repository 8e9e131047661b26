package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/homing-hooks/homing/hack/pipelinedoc/workflow"
)

// draw returns two drawings: how workflows and jobs follow each other, and what each job does.
func draw(workflows []*workflow.Workflow) []byte {
	var out bytes.Buffer
	out.WriteString("```mermaid\nflowchart LR\n")
	for _, w := range workflows {
		drawWorkflow(&out, w)
	}
	out.WriteString("```\n\n| workflow | job | after | where | what it runs |\n|---|---|---|---|---|\n")
	for _, w := range workflows {
		for i := range w.Jobs {
			row(&out, w, &w.Jobs[i])
		}
	}
	return out.Bytes()
}

// id is the name of a node, of letters that mermaid takes.
func id(parts ...string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.Join(parts, "_"))
}

// name is that of a workflow's file, without its ending.
func name(file string) string { return strings.TrimSuffix(file, ".yml") }

// drawWorkflow draws a box with a workflow's jobs, and arrows from what starts it, to what a job waits for and calls.
func drawWorkflow(out *bytes.Buffer, w *workflow.Workflow) {
	fmt.Fprintf(out, "  subgraph %s[\"%s\"]\n", id("w", name(w.File)), w.File)
	for _, j := range w.Jobs {
		fmt.Fprintf(out, "    %s[\"%s\"]\n", id(name(w.File), j.ID), j.ID)
	}
	for _, j := range w.Jobs {
		for _, need := range j.Needs {
			fmt.Fprintf(out, "    %s --> %s\n", id(name(w.File), need), id(name(w.File), j.ID))
		}
	}
	out.WriteString("  end\n")
	for _, event := range slices.Sorted(maps.Keys(w.On)) {
		if event != "workflow_call" {
			fmt.Fprintf(out, "  %s([\"%s\"]) --> %s\n",
				id("on", name(w.File), event), trigger(event, w.On[event]), id("w", name(w.File)))
		}
	}
	for _, j := range w.Jobs {
		if j.Uses != "" {
			called := j.Uses[strings.LastIndex(j.Uses, "/")+1:]
			fmt.Fprintf(out, "  %s -. %s .-> %s\n", id(name(w.File), j.ID), calls(&j), id("w", name(called)))
		}
	}
}

func calls(j *workflow.Job) string {
	if e := j.With["environment"]; e != "" {
		return e
	}
	return "calls"
}

// trigger says an event in words: push: main, v*.
func trigger(event string, t workflow.Trigger) string {
	words := strings.ReplaceAll(event, "_", " ")
	if refs := slices.Concat(t.Branches, t.Tags); len(refs) > 0 {
		words += ": " + strings.Join(refs, ", ")
	}
	return words
}

// row says what a job does.
func row(out *bytes.Buffer, w *workflow.Workflow, j *workflow.Job) {
	var does []string
	if j.Uses != "" {
		does = append(does, "`"+j.Uses[strings.LastIndex(j.Uses, "/")+1:]+"`")
	}
	for _, s := range j.Steps {
		if s.Run != "" {
			does = append(does, "`"+s.Run+"`")
		}
	}
	where := j.Environment
	if where == "" {
		where = j.With["environment"]
	}
	where = strings.NewReplacer("${{ inputs.environment }}", "the one that is asked for").Replace(where)
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", name(w.File), j.ID, strings.Join(j.Needs, ", "), where,
		strings.Join(does, ", "))
}
