// Package workflow reads GitHub's workflows, as far as the diagram and the contract tests look at them.
//
// It owns the reading, promises the order of the file for jobs and steps, and never judges: whether a workflow is right
// is for actionlint and test/contract to say.
package workflow

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Workflow is one file of .github/workflows.
type Workflow struct {
	// File is the name of the file, Text its content.
	File, Text string
	Name       string
	// On has the events, with what they are narrowed by.
	On map[string]Trigger
	// Permissions is nil when the file does not say; of it and Concurrency the zero value.
	Permissions map[string]string
	Concurrency Concurrency
	Jobs        []Job
}

// Trigger is what an event is narrowed by.
type Trigger struct {
	Branches []string         `yaml:"branches"`
	Tags     []string         `yaml:"tags"`
	Inputs   map[string]Input `yaml:"inputs"`
}

// Input is an input of a workflow.
type Input struct {
	Options []string `yaml:"options"`
}

// Concurrency bounds how many runs there are.
type Concurrency struct {
	Group string `yaml:"group"`
}

// Job is a job or, with Uses, the call of a workflow.
type Job struct {
	ID             string            `yaml:"-"`
	Uses           string            `yaml:"uses"`
	Needs          Words             `yaml:"needs"`
	If             string            `yaml:"if"`
	RunsOn         string            `yaml:"runs-on"`
	Environment    string            `yaml:"environment"`
	TimeoutMinutes int               `yaml:"timeout-minutes"`
	Permissions    map[string]string `yaml:"permissions"`
	With           map[string]string `yaml:"with"`
	Strategy       Strategy          `yaml:"strategy"`
	Steps          []Step            `yaml:"steps"`
}

// Strategy says what a job is repeated for.
type Strategy struct {
	Matrix map[string][]string `yaml:"matrix"`
}

// Step is an action that is used, or a command that is run.
type Step struct {
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	With map[string]string `yaml:"with"`
	Env  map[string]string `yaml:"env"`
}

// Words is a word or a list of words.
type Words []string

// UnmarshalYAML reads either.
func (w *Words) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*w = Words{node.Value}
		return nil
	}
	return node.Decode((*[]string)(w))
}

// Load reads all workflows of a directory, by the names of their files. Errors name the file.
func Load(dir string) ([]*Workflow, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("workflow: no workflows in %s", dir)
	}
	var all []*Workflow
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		w, err := Parse(filepath.Base(path), text)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// Parse reads one workflow.
func Parse(file string, text []byte) (*Workflow, error) {
	var raw struct {
		Name        string               `yaml:"name"`
		On          map[string]yaml.Node `yaml:"on"`
		Permissions map[string]string    `yaml:"permissions"`
		Concurrency Concurrency          `yaml:"concurrency"`
		Jobs        yaml.Node            `yaml:"jobs"` // a map would lose their order
	}
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("workflow: %s: %w", file, err)
	}
	w := &Workflow{
		File: file, Text: string(text), Name: raw.Name, On: map[string]Trigger{}, Permissions: raw.Permissions,
		Concurrency: raw.Concurrency,
	}
	for event, node := range raw.On {
		var t Trigger
		if node.Kind == yaml.MappingNode { // a schedule is a list, and nothing is nothing
			if err := node.Decode(&t); err != nil {
				return nil, fmt.Errorf("workflow: %s: on: %s: %w", file, event, err)
			}
		}
		w.On[event] = t
	}
	for pair := range slices.Chunk(raw.Jobs.Content, 2) {
		job := Job{ID: pair[0].Value}
		if err := pair[1].Decode(&job); err != nil {
			return nil, fmt.Errorf("workflow: %s: jobs: %s: %w", file, job.ID, err)
		}
		w.Jobs = append(w.Jobs, job)
	}
	return w, nil
}
