package contract

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/hack/pipelinedoc/workflow"
)

const repository = "../.."

// granted are the rights that jobs have beyond reading the code, by file and job. A right that is not here needs a
// reason.
var granted = map[string]string{
	"deploy.yml build":              "id-token packages:write",
	"deploy.yml dev":                "id-token packages:read", // a call gives what the called job asks for
	"deploy.yml staging":            "id-token packages:read",
	"deploy.yml prod":               "id-token packages:read",
	"deploy-environment.yml deploy": "id-token packages:read",
	"rollback.yml rollback":         "id-token",
	"drift.yml drift":               "id-token",
}

func workflows(t *testing.T) []*workflow.Workflow {
	t.Helper()
	all, err := workflow.Load(filepath.Join(repository, ".github/workflows"))
	require.NoError(t, err)
	return all
}

// TestWorkflows holds each workflow to the rules of docs/pipeline.md.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	rules := newWorkflowRules(t)
	for _, w := range workflows(t) {
		require.Empty(t, rules.broken(w), w.File)
	}
}

// workflowRules is what workflows are held to.
type workflowRules struct {
	makefile     string
	actions      []string // those of others than GitHub
	environments []string
}

func newWorkflowRules(t *testing.T) *workflowRules {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	require.NoError(t, err)
	r := &workflowRules{makefile: string(text)}
	require.Contains(t, r.makefile, "\nSHELLCHECKED := $(wildcard hack/*.sh) ", "make lint-scripts looks at every script")
	for _, action := range variableDefault(t, "modules/github", "actions").AsValueSlice() {
		r.actions = append(r.actions, action.AsString())
	}
	r.environments = slices.Collect(maps.Keys(variableDefault(t, "modules/github", "environments").AsValueMap()))
	return r
}

// broken returns the rules that a workflow breaks.
func (r *workflowRules) broken(w *workflow.Workflow) []string {
	var wrong []string
	for _, event := range []string{"pull_request_target", "workflow_run", "issue_comment"} {
		if _, has := w.On[event]; has {
			wrong = append(wrong, event+" runs strangers' changes with our rights")
		}
	}
	if w.Permissions == nil || len(w.Permissions) > 0 {
		wrong = append(wrong, "permissions: {} at the top, so that each job says its own")
	}
	if w.Concurrency.Group == "" {
		wrong = append(wrong, "no concurrency")
	}
	for i := range w.Jobs {
		for _, what := range r.brokenJob(w, &w.Jobs[i]) {
			wrong = append(wrong, w.Jobs[i].ID+": "+what)
		}
	}
	return wrong
}

func (r *workflowRules) brokenJob(w *workflow.Workflow, j *workflow.Job) []string {
	var wrong []string
	if got := rights(j.Permissions); j.Permissions == nil || got != granted[w.File+" "+j.ID] {
		wrong = append(wrong, "permissions are "+got+", and not "+granted[w.File+" "+j.ID])
	}
	if e := j.With["environment"]; e != "" && !slices.Contains(r.environments, e) {
		wrong = append(wrong, "there is no environment "+e)
	}
	if j.Uses != "" {
		if _, err := os.Stat(filepath.Join(repository, j.Uses)); err != nil || !strings.HasPrefix(j.Uses, "./") {
			wrong = append(wrong, "calls what is not here: "+j.Uses)
		}
		return wrong
	}
	if j.TimeoutMinutes == 0 || j.RunsOn == "" || strings.Contains(j.RunsOn, "latest") {
		wrong = append(wrong, "needs timeout-minutes, and a runner of a version")
	}
	for _, s := range j.Steps {
		wrong = append(wrong, r.brokenStep(j, &s)...)
	}
	return wrong
}

// rights are a job's permissions beyond contents: read.
func rights(permissions map[string]string) string {
	var words []string
	for _, scope := range slices.Sorted(maps.Keys(permissions)) {
		switch right := scope + ":" + permissions[scope]; right {
		case "contents:read":
		case "id-token:write":
			words = append(words, "id-token")
		default:
			words = append(words, right)
		}
	}
	return strings.Join(words, " ")
}

var (
	pinned    = regexp.MustCompile(`^([\w.-]+/[\w./-]+)@[0-9a-f]{40}$`)
	callsOurs = regexp.MustCompile(`^((?:hack|\.ci)/[\w./-]+)((?: (?:[\w./=-]+|"\$[A-Z_]+"|"[\w./-]+\$[A-Z_]+"))*)$`)
	callsMake = regexp.MustCompile(`^make ([a-z-]+)(?: [A-Z_]+=\w+)*$`)
	secrets   = regexp.MustCompile(`\bsecrets\.|github\.token`)
)

func (r *workflowRules) brokenStep(j *workflow.Job, s *workflow.Step) []string {
	var wrong []string
	for _, value := range s.Env {
		if strings.Contains(value, "secrets.") && j.Environment == "" {
			wrong = append(wrong, "has a secret without an environment, so without its approval")
		}
	}
	if s.Run != "" {
		return append(wrong, r.brokenRun(s.Run)...)
	}
	match := pinned.FindStringSubmatch(s.Uses)
	if match == nil {
		return append(wrong, "not pinned by its commit: "+s.Uses)
	}
	owned := strings.HasPrefix(match[1], "actions/") || strings.HasPrefix(match[1], "github/")
	switch role := s.With["role-to-assume"]; {
	case !owned && !slices.Contains(r.actions, match[1]+"@*"):
		wrong = append(wrong, "terraform/modules/github does not allow "+match[1])
	case match[1] == "actions/checkout" && s.With["persist-credentials"] != "false":
		wrong = append(wrong, "checkout leaves the token behind for every later step")
	case role != "" && !strings.Contains(role, "PLAN_ROLE") && j.Environment == "":
		wrong = append(wrong, "a role that changes things, without an environment, so without its approval")
	case secrets.MatchString(strings.Join(slices.Collect(maps.Values(s.With)), " ")):
		wrong = append(wrong, "gives a secret to an action: "+s.Uses)
	}
	return wrong
}

// brokenRun wants one line that calls a script or a make target of ours, which are checked themselves.
func (r *workflowRules) brokenRun(run string) []string {
	if strings.Contains(run, "${{") {
		return []string{"what is put into a command's text may be a command: " + run}
	}
	if match := callsMake.FindStringSubmatch(run); match != nil {
		if !strings.Contains(r.makefile, "\n"+match[1]+":") {
			return []string{"there is no make target " + match[1]}
		}
		return nil
	}
	match := callsOurs.FindStringSubmatch(run)
	if match == nil {
		return []string{"not one line that calls a script or a make target: " + run}
	}
	info, err := os.Stat(filepath.Join(repository, match[1]))
	if err != nil || info.Mode()&0o111 == 0 {
		return []string{"no such script: " + match[1]}
	}
	return nil
}

// TestWorkflowRulesNotice has a workflow that is right, and breaks it rule by rule.
func TestWorkflowRulesNotice(t *testing.T) {
	t.Parallel()
	const right = `name: drift
on:
  schedule: [{cron: "1 1 * * *"}]
permissions: {}
concurrency: {group: drift}
jobs:
  drift:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {contents: read, id-token: write}
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
        with: {persist-credentials: false}
      - run: hack/drift.sh "terraform/environments/$ENVIRONMENT"
`
	rules := newWorkflowRules(t)
	broken := func(text string) []string {
		w, err := workflow.Parse("drift.yml", []byte(text))
		require.NoError(t, err)
		return rules.broken(w)
	}
	require.Empty(t, broken(right))
	for name, c := range map[string]struct{ old, planted, says string }{
		"StrangersChanges": {"  schedule:", "  pull_request_target:\n  schedule:", "pull_request_target"},
		"AllRights":        {"permissions: {}\n", "", "permissions: {}"},
		"MoreRights": {
			"contents: read, id-token", "contents: write, id-token", "permissions are contents:write id-token",
		},
		"NoRightsSaid":     {"    permissions: {contents: read, id-token: write}\n", "", "permissions are"},
		"NoConcurrency":    {"concurrency: {group: drift}\n", "", "no concurrency"},
		"NoTimeout":        {"    timeout-minutes: 5\n", "", "needs timeout-minutes"},
		"AnyRunner":        {"ubuntu-24.04", "ubuntu-latest", "a runner of a version"},
		"ByTag":            {"08c6903cd8c0fde910a37f88322edcfb5dd907a8", "v5", "not pinned"},
		"AStrangersAction": {"actions/checkout@", "someone/checkout@", "does not allow someone/checkout"},
		"TokenLeftBehind":  {"persist-credentials: false", "fetch-depth: 0", "leaves the token"},
		"AShell": {
			`hack/drift.sh "terraform/environments/$ENVIRONMENT"`, "hack/drift.sh x && rm -rf x", "not one line",
		},
		"TwoLines": {
			`hack/drift.sh "terraform/environments/$ENVIRONMENT"`, "|\n          hack/drift.sh x\n          hack/drift.sh y",
			"not one line",
		},
		"AnotherProgram": {"hack/drift.sh", "curl", "not one line"},
		"Injection":      {"$ENVIRONMENT", "${{ github.head_ref }}", "may be a command"},
		"NoSuchScript":   {"hack/drift.sh", "hack/drifts.sh", "no such script"},
		"NoSuchTarget":   {`hack/drift.sh "terraform/environments/$ENVIRONMENT"`, "make drift", "no make target"},
		"ASecretUnapproved": {
			`$ENVIRONMENT"`, "$ENVIRONMENT\"\n        env: {KEY: \"${{ secrets.KEY }}\"}", "without an environment",
		},
		"ASecretGivenAway": {
			"persist-credentials: false", "persist-credentials: false, token: \"${{ secrets.KEY }}\"", "gives a secret",
		},
		"ARoleUnapproved": {
			"persist-credentials: false", "persist-credentials: false, role-to-assume: \"${{ vars.DEPLOY_ROLE }}\"",
			"a role that changes",
		},
		"ACallFromElsewhere": {
			"    runs-on: ubuntu-24.04\n", "    uses: someone/x/.github/workflows/x.yml@main\n", "calls what is not here",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, right, c.old)
			require.Contains(t, strings.Join(broken(strings.Replace(right, c.old, c.planted, 1)), "\n"), c.says)
		})
	}
}

// TestGitHubRequiresEveryCheck: a job of ci.yml that nobody requires may fail, and it is merged all the same.
func TestGitHubRequiresEveryCheck(t *testing.T) {
	t.Parallel()
	var required, jobs []string
	for _, check := range variableDefault(t, "modules/github", "required_checks").AsValueSlice() {
		required = append(required, check.AsString())
	}
	for _, w := range workflows(t) {
		for _, j := range w.Jobs {
			if w.File == "ci.yml" {
				jobs = append(jobs, j.ID)
			}
		}
	}
	require.ElementsMatch(t, jobs, required)
}

// TestGitHubAllowsWhatIsUsed: and no action more.
func TestGitHubAllowsWhatIsUsed(t *testing.T) {
	t.Parallel()
	used, digests := map[string]bool{}, map[string]string{}
	comment := regexp.MustCompile(`uses: ([\w./-]+)@([0-9a-f]{40}) # v\d+\.\d+\.\d+\n`)
	for _, w := range workflows(t) {
		pins := comment.FindAllStringSubmatch(w.Text, -1)
		actions := strings.Count(w.Text, "uses: ") - strings.Count(w.Text, "uses: ./")
		require.Len(t, pins, actions, "%s: a pin without its version", w.File)
		for _, pin := range pins {
			if digests[pin[1]] == "" {
				digests[pin[1]] = pin[2]
			}
			require.Equal(t, digests[pin[1]], pin[2], "%s: two versions of %s", w.File, pin[1])
			if !strings.HasPrefix(pin[1], "actions/") {
				used[pin[1]+"@*"] = true
			}
		}
	}
	var allowed []string
	for _, action := range variableDefault(t, "modules/github", "actions").AsValueSlice() {
		allowed = append(allowed, action.AsString())
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(used)), allowed)
}

// TestGitHubDeploysWhereItMay: what deploy.yml is started by, the environments let in.
func TestGitHubDeploysWhereItMay(t *testing.T) {
	t.Parallel()
	environments := variableDefault(t, "modules/github", "environments").AsValueMap()
	refs := func(environment, kind string) string {
		value := environments[environment]
		if !value.Type().HasAttribute(kind) {
			return ""
		}
		var words []string
		for _, v := range value.GetAttr(kind).AsValueSlice() {
			words = append(words, v.AsString())
		}
		return strings.Join(words, " ")
	}
	for _, w := range workflows(t) {
		if w.File != "deploy.yml" {
			continue
		}
		require.Equal(t, workflow.Trigger{Branches: []string{"main"}, Tags: []string{"v*"}}, w.On["push"])
	}
	require.Empty(t, refs("dev", "tags"))
	require.Equal(t, "v*", refs("staging", "tags"))
	require.Equal(t, "v*", refs("prod", "tags"))
	for _, name := range []string{"staging", "prod"} {
		require.NotEqual(t, cty.Zero, environments[name].GetAttr("reviewers").Length(), "nobody approves "+name)
	}
}

// TestRollbackKnowsTheServices: what may be chosen is what there is.
func TestRollbackKnowsTheServices(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(repository, "knative/base/*.yaml"))
	require.NoError(t, err)
	var services []string
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.Contains(string(text), "\nkind: Service\n") {
			services = append(services, strings.TrimSuffix(filepath.Base(path), ".yaml"))
		}
	}
	for _, w := range workflows(t) {
		if w.File == "rollback.yml" {
			inputs := w.On["workflow_dispatch"].Inputs
			require.ElementsMatch(t, services, inputs["service"].Options)
			require.ElementsMatch(t, newWorkflowRules(t).environments, inputs["environment"].Options)
		}
	}
}

// TestDependabotSeesWhatIsPinned: each module of Go, each directory of Terraform, the workflows, and the Compose file.
func TestDependabotSeesWhatIsPinned(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, ".github/dependabot.yml"))
	require.NoError(t, err)
	var file struct {
		Version int `json:"version"`
		Updates []struct {
			Ecosystem   string         `json:"package-ecosystem"`
			Directory   string         `json:"directory"`
			Directories []string       `json:"directories"`
			Schedule    map[string]any `json:"schedule"`
			Cooldown    map[string]any `json:"cooldown"`
			Groups      map[string]any `json:"groups"`
		} `json:"updates"`
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &file))
	require.Equal(t, 2, file.Version)
	watched := map[string][]string{}
	for _, u := range file.Updates {
		require.NotEmpty(t, u.Schedule)
		watched[u.Ecosystem] = append(watched[u.Ecosystem], u.Directories...)
		if u.Directory != "" {
			watched[u.Ecosystem] = append(watched[u.Ecosystem], u.Directory)
		}
	}
	pins := pinnedDirectories(t)
	require.Equal(t, []string{"/"}, watched["github-actions"])
	require.Equal(t, []string{"/"}, watched["docker-compose"])
	for ecosystem, directories := range pins {
		for _, dir := range directories {
			require.True(t, slices.ContainsFunc(watched[ecosystem], func(pattern string) bool {
				ok, err := filepath.Match(pattern, dir)
				return err == nil && ok
			}), "nobody updates %s in %s", ecosystem, dir)
		}
	}
}

// pinnedDirectories are those that pin versions of others.
func pinnedDirectories(t *testing.T) map[string][]string {
	t.Helper()
	pins := map[string][]string{}
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (slices.Contains([]string{".git", ".dev", ".terraform", "selftest"}, entry.Name())) {
			return filepath.SkipDir
		}
		dir := filepath.Join("/", strings.TrimPrefix(filepath.Dir(path), repository))
		switch entry.Name() {
		case "go.mod":
			pins["gomod"] = append(pins["gomod"], dir)
		case "versions.tf":
			pins["terraform"] = append(pins["terraform"], dir)
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, pins["gomod"])
	require.NotEmpty(t, pins["terraform"])
	return pins
}
