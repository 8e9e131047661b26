package contract

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	namedTest  = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")
	namedFile  = regexp.MustCompile("`([a-z.][A-Za-z0-9_.-]*/[A-Za-z0-9_./-]+)`")
	namedRun   = regexp.MustCompile("runs? ((?:`[a-z_0-9]+`(?:, | and )?)+)\\s+in\\s+`([^`]+)`")
	linked     = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	quoted     = regexp.MustCompile("`([^`]+)`")
	definition = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	// firstFolders are those that a path in backticks may begin with; others are no paths of this repository.
	firstFolders = regexp.MustCompile(
		`^(\.github|cmd|docs|eventing|functions|hack|knative|monitoring|pkg|terraform|test)/`)
)

// TestTheSecurityDocumentsNameWhatIsThere: a mitigation whose test, run of Terraform or file has gone is none.
func TestTheSecurityDocumentsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	const root = "../.."
	files, err := filepath.Glob(filepath.Join(root, "docs", "security", "*.md"))
	require.NoError(t, err)
	files = append(files, filepath.Join(root, "SECURITY.md"), filepath.Join(root, "docs", "certificates.md"),
		filepath.Join(root, "docs", "decisions", "0027-security-gate.md"))
	require.Greater(t, len(files), 8)
	tests := definedTests(t, root)
	named := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range namedTest.FindAllSubmatch(text, -1) {
			named++
			require.True(t, tests[string(m[1])], "%s: there is no %s", filepath.Base(file), m[1])
		}
		for _, m := range namedFile.FindAllSubmatch(text, -1) {
			if name := string(m[1]); firstFolders.MatchString(name) {
				require.FileExists(t, orFolder(filepath.Join(root, name)), "%s: %s", filepath.Base(file), name)
			}
		}
		for _, m := range linked.FindAllSubmatch(text, -1) {
			target := filepath.Join(filepath.Dir(file), string(m[1]))
			require.FileExists(t, orFolder(target), "%s links to %s", filepath.Base(file), m[1])
		}
		requireRuns(t, root, filepath.Base(file), string(text))
	}
	require.Greater(t, named, 60)
}

// requireRuns wants each run of Terraform's tests that a document names in the file that it names with it.
func requireRuns(t *testing.T, root, document, text string) {
	t.Helper()
	for _, m := range namedRun.FindAllStringSubmatch(text, -1) {
		tests, err := os.ReadFile(filepath.Join(root, m[2]))
		require.NoError(t, err, document)
		for _, run := range quoted.FindAllStringSubmatch(m[1], -1) {
			there := strings.Contains(string(tests), `run "`+run[1]+`"`)
			require.True(t, there, "%s: there is no run %s in %s", document, run[1], m[2])
		}
	}
}

// orFolder is a file in the folder when the path is one, so that it can be asked for as a file.
func orFolder(name string) string {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if inside, err := os.ReadDir(name); err == nil {
			for _, e := range inside {
				if !e.IsDir() {
					return filepath.Join(name, e.Name())
				}
			}
		}
	}
	return name
}

// definedTests are the names of all tests of the repository, those of its other modules included.
func definedTests(t *testing.T, root string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(path.Base(name), ".") && name != "." {
			return orSkip(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		for _, m := range definition.FindAllSubmatch(text, -1) {
			tests[string(m[1])] = true
		}
		return err
	})
	require.NoError(t, err)
	return tests
}

func orSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}
