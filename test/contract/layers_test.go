// Package contract holds what must stay true between the parts of the repository and no single part can check.
package contract

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the path that our own packages begin with.
const module = "github.com/homing-hooks/homing/"

// Parts of patterns: paths of packages in the repository.
const (
	seams    = `pkg/(store|timer|gate|bus)`
	backEnds = seams + `/[^/]+(/.*)?`
	suites   = `pkg/(.*/)?[^/]+test` // conformance suites: packages of test code that are no _test.go files
	testenv  = `pkg/testenv|test/homingtest`
	harness  = `testing|github.com/stretchr/testify(/.*)?`
	pure     = `pkg/(webhook|backoff|outcome|filter|signature|brokersign|wire)`
	steps    = `functions/[^/]+/(accept|attempt|schedule|api)(/.*)?`
	choosers = `(functions/[^/]+|functions/internal/.*|cmd/.*|test/.*)` // mains and what they share, local, CLI, load
)

// layer is one import rule: packages that match of (and not except) import, outside tests, nothing that matches never
// (and not but, and not a package below themselves when ownParts is set).
type layer struct {
	of, except string
	never, but string
	ownParts   bool
	transitive bool // also through other packages
	why        string
}

var layers = map[string]layer{
	"DomainImportsTheStandardLibraryOnly": {
		of: `pkg/webhook`, never: `.*\..*/.*|pkg/.*|functions/.*|cmd/.*`, but: `vendor/.*`, transitive: true,
		why: "every other package imports the words of the domain, so they must weigh nothing and depend on nobody",
	},
	"PurePackagesImportPureOnesOnly": {
		of: pure, never: `(pkg|functions|cmd)/.*`, but: pure, transitive: true,
		why: "decisions are tested as functions of their arguments; an import upwards would bring I/O and clocks in",
	},
	"SeamsDoNotKnowWhoImplementsOrUsesThem": {
		of: seams, never: backEnds + `|functions/.*|cmd/.*|pkg/(embedded|testenv|server)(/.*)?`, transitive: true,
		why: "an interface that imports its back end is no seam",
	},
	"BackEndsDoNotKnowStepsOrOtherSeams": {
		of: backEnds, except: suites, never: `functions/.*|cmd/.*`, transitive: true,
		why: "imports run one way: pure packages, seams, back ends beside steps, mains",
	},
	// pkg/bus/amqp/link is a connection to RabbitMQ; parking uses it too, and chooses no bus by that.
	"OnlyMainsChooseBackEnds": {
		of: `.*`, except: backEnds + `|` + choosers + `|` + testenv, never: backEnds, but: `pkg/bus/amqp/link`,
		why: "which back end runs is configuration, decided in one place of each process",
	},
	"StepsDoNotReachBackEnds": {
		of: steps, never: backEnds, transitive: true,
		why: "a step that reaches a database driver cannot run in memory, and its tests stop being tests of the step",
	},
	"StepsDoNotKnowEachOther": {
		of: steps, never: `functions/.*`, ownParts: true,
		why: "functions scale and are deployed alone; they talk through the store and through hints",
	},
	"TheClientBringsNothingElseAlong": {
		of: `pkg/client`, never: `.*\..*/.*|pkg/.*|functions/.*|cmd/.*`, but: `vendor/.*`, transitive: true,
		why: "programs of others import it; the server and its libraries are no business of theirs",
	},
	"NobodyImportsMains": {
		of: `pkg/.*`, never: `(functions|cmd)/.*`, transitive: true,
		why: "what is shared is in pkg",
	},
	"TestHelpersStayOutOfBinaries": {
		of: `.*`, except: suites + `|` + testenv, never: suites + `|` + testenv + `|` + harness,
		why: "only _test.go files import them; test code in a binary is dead weight that nobody reviewed for production",
	},
}

// pkg is what the go command says about one of our packages.
type pkg struct {
	ImportPath string   `json:"ImportPath"`
	Imports    []string `json:"Imports"` // of its files that are not tests
	Deps       []string `json:"Deps"`    // the same with all that those import
}

func TestLayers(t *testing.T) {
	t.Parallel()
	packages := ourPackages(t)
	for name, rule := range layers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			matched, broken := check(rule, packages)
			require.NotZero(t, matched, "the rule is about packages that are not there any more")
			require.Empty(t, broken, rule.why)
		})
	}
}

// TestLayersFindABrokenRule makes sure that a rule can fail at all.
func TestLayersFindABrokenRule(t *testing.T) {
	t.Parallel()
	bad := map[string]struct{ path, imports string }{
		"DomainImportsTheStandardLibraryOnly":   {"pkg/webhook", "github.com/google/uuid"},
		"PurePackagesImportPureOnesOnly":        {"pkg/filter", "pkg/clock"},
		"SeamsDoNotKnowWhoImplementsOrUsesThem": {"pkg/store", "pkg/store/memory"},
		"BackEndsDoNotKnowStepsOrOtherSeams":    {"pkg/bus/amqp", "functions/ingest/accept"},
		"OnlyMainsChooseBackEnds":               {"pkg/server", "pkg/timer/redis"},
		"StepsDoNotReachBackEnds":               {"functions/ingest/accept", "pkg/store/memory"},
		"StepsDoNotKnowEachOther":               {"functions/retry/schedule", "functions/deliver/attempt"},
		"TheClientBringsNothingElseAlong":       {"pkg/client", "pkg/server"},
		"NobodyImportsMains":                    {"pkg/clock", "cmd/homing"},
		"TestHelpersStayOutOfBinaries":          {"cmd/homing", "pkg/store/storetest"},
	}
	for name, rule := range layers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			imports := []string{bad[name].imports}
			matched, broken := check(rule, []pkg{{ImportPath: bad[name].path, Imports: imports, Deps: imports}})
			require.Equal(t, 1, matched)
			require.Len(t, broken, 1)
		})
	}
}

// check returns how many packages the rule is about, and a line for every import that breaks it.
func check(rule layer, packages []pkg) (matched int, broken []string) {
	of, except, never, but := pattern(rule.of), pattern(rule.except), pattern(rule.never), pattern(rule.but)
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module)
		if !of.MatchString(path) || except.MatchString(path) {
			continue
		}
		matched++
		imports := p.Imports
		if rule.transitive {
			imports = p.Deps
		}
		for _, imported := range imports {
			target := strings.TrimPrefix(imported, module)
			own := rule.ownParts && strings.HasPrefix(target, path+"/")
			if never.MatchString(target) && !but.MatchString(target) && !own {
				broken = append(broken, p.ImportPath+" imports "+imported)
			}
		}
	}
	slices.Sort(broken)
	return matched, broken
}

func pattern(p string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + p + `)$`) }

// ourPackages asks the go command about all packages of the module, as they are built for this machine.
func ourPackages(t *testing.T) []pkg {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	command.Dir = "../.."
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	var packages []pkg
	for decoder := json.NewDecoder(out); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
	require.NoError(t, command.Wait())
	require.NotEmpty(t, packages)
	return packages
}
