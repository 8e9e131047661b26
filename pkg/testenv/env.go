package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Names of the variables that say where the shared services are.
const (
	envPostgres   = "TEST_DATABASE_URL"
	envRedis      = "TEST_REDIS_URL"
	envRabbitMQ   = "TEST_RABBITMQ_URL"
	envManagement = "TEST_RABBITMQ_MANAGEMENT_URL"
)

// callTimeout bounds one call to a shared service. Generous, because the machine may be busy with every other
// package's tests; a service that is gone answers at once.
const callTimeout = 60 * time.Second

// howTo ends every message about a service that is missing.
const howTo = "run `make services` (or `make test`, which does it first)"

// setting returns the value of a TEST_* variable, from the environment or from .dev/services.env.
func setting(t testing.TB, name string) string {
	t.Helper()
	if v := os.Getenv(name); v != "" {
		return v
	}
	root, err := checkout()
	if err != nil {
		t.Fatalf("testenv: %s is not set, and %v: %s", name, err, howTo)
	}
	v, err := readExport(filepath.Join(root, ".dev", "services.env"), name)
	if err != nil {
		t.Fatalf("testenv: %s is not set, and %v: %s", name, err, howTo)
	}
	return v
}

// checkout returns the directory that holds hack/services.sh, looking upwards from the working directory (for a test:
// the directory of its package).
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("the working directory is unknown: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "hack", "services.sh")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no directory above this one holds hack/services.sh")
		}
		dir = parent
	}
}

// readExport returns the value of one `export NAME='value'` line of a file.
func readExport(path, name string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "export "+name+"="); ok {
			return strings.Trim(v, "'"), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", path, name)
}

// callContext is for one call to a service. It is not derived from t.Context, which has ended when cleanups run.
func callContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callTimeout)
}
