package homingtest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"
)

// binaries is where the programs under test are.
var binaries string

// Build builds programs into a directory, for Spawn to run: the packages of the module whose root is named, such as
// ./functions/ingest. It is called once, by TestMain.
func Build(root, dir string, packages ...string) error {
	const patience = 5 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := append([]string{"build", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}, packages...)
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs under test: %w\n%s", err, out)
	}
	binaries = dir
	return nil
}

func (h *Installation) programs() string {
	h.T.Helper()
	require.NotEmpty(h.T, binaries, "TestMain has not built the programs")
	return binaries
}
