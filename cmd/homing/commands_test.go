package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

var (
	// shown finds shell blocks, other blocks, and spans of code, which may go on in the next line.
	shown = regexp.MustCompile("(?ms)^```(?:sh|bash|shell|console)\n(.*?)^```$|^```.*?^```$|`([^`]+)`")
	// called finds homing where a command begins, and the words behind it.
	called = regexp.MustCompile(`(?m)(?:^|\$\(|[|;&] ?)(?:[A-Z_]+=\S+ )*(?:bin/)?homing((?: [a-z][a-z-]*)+)`)
)

// misnamed returns a line for each command in a page's code that the command line does not have.
func misnamed(root *cobra.Command, text string) (wrong []string) {
	for _, code := range shown.FindAllStringSubmatch(text, -1) {
		for _, call := range called.FindAllStringSubmatch(code[1]+strings.Join(strings.Fields(code[2]), " "), -1) {
			at := root
			for word := range strings.FieldsSeq(call[1]) {
				if !at.HasSubCommands() {
					break // an argument
				}
				next, _, err := at.Find([]string{word})
				if err != nil || next == at {
					wrong = append(wrong, fmt.Sprintf("%s has no %s", at.CommandPath(), word))
					break
				}
				at = next
			}
		}
	}
	return wrong
}

// TestDocumentsNameCommandsThatExist holds every page to the command line as it is.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	t.Parallel()
	root := newApp().root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	require.NotEmpty(t, misnamed(root, "`homing endpoint crate`"))
	require.NotEmpty(t, misnamed(root, "```sh\nX=y bin/homing evnt list\n```"))
	require.Empty(t, misnamed(root, "`homing event list` `kubectl -n homing get pods` `homing completion bash`"))
	var pages []string
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md", "terraform/modules/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	require.Greater(t, len(pages), 60)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		require.Empty(t, misnamed(root, string(text)), page)
	}
}
