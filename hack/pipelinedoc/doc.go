// Command pipelinedoc draws the pipeline into docs/pipeline.md, from the workflows themselves.
//
// It owns what stands between the two marks of that document, and nothing else of it. It promises that every workflow,
// every job and every command that a job runs is in the drawing, and which job waits for which. It never says what a
// workflow is for: that is for the document around it.
//
//	go run ./hack/pipelinedoc          # write it
//	go run ./hack/pipelinedoc -check   # exit 1 where it is not what the workflows say
package main
