package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionIsThatOfTheBuild(t *testing.T) {
	t.Parallel()
	require.Contains(t, must(t, environ(), "--version"), linkedVersion)
}
