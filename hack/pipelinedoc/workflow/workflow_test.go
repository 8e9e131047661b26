package workflow

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParse: order is that of the file, a word may stand for a list, and `on` is no truth value.
func TestParse(t *testing.T) {
	t.Parallel()
	w, err := Parse("x.yml", []byte(`name: x
on:
  push: {branches: [main]}
  schedule: [{cron: "1 1 * * *"}]
  workflow_dispatch:
    inputs: {service: {options: [a, b]}}
permissions: {}
jobs:
  z:
    needs: [b, a]
    permissions: {contents: read}
    steps: [{run: make z, env: {A: "1"}}, {uses: "x@y", with: {depth: 0, keep: false}}]
  a: {needs: z, uses: ./b.yml}
`))
	require.NoError(t, err)
	require.Equal(t, map[string]Trigger{
		"push": {Branches: []string{"main"}}, "schedule": {},
		"workflow_dispatch": {Inputs: map[string]Input{"service": {Options: []string{"a", "b"}}}},
	}, w.On)
	require.NotNil(t, w.Permissions)
	require.Empty(t, w.Permissions)
	require.Equal(t, []Job{
		{
			ID: "z", Needs: Words{"b", "a"}, Permissions: map[string]string{"contents": "read"},
			Steps: []Step{
				{Run: "make z", Env: map[string]string{"A": "1"}},
				{Uses: "x@y", With: map[string]string{"depth": "0", "keep": "false"}},
			},
		},
		{ID: "a", Needs: Words{"z"}, Uses: "./b.yml"},
	}, w.Jobs)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"jobs: [", "jobs: {a: {needs: {b: c}}}", "jobs: {a: [x]}", "on: {push: {branches: 1}}"} {
		_, err := Parse("x.yml", []byte(text))
		require.ErrorContains(t, err, "x.yml")
	}
}
