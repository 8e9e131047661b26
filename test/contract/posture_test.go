package contract

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"

	"github.com/homing-hooks/homing/pkg/config"
)

const terraformDir = "../../terraform"

// hclBlock is a block of Terraform code: resource "aws_lb" "this", in the directory modules/edge.
type hclBlock struct {
	dir, kind string
	labels    []string
	body      *hclsyntax.Body
}

func (b hclBlock) String() string { return b.dir + ": " + strings.Join(b.labels, ".") }

// terraformResources returns the resources of a type, of all directories.
func terraformResources(t *testing.T, typ string) []hclBlock {
	t.Helper()
	return slices.DeleteFunc(terraformBlocks(t, "."), func(b hclBlock) bool {
		return b.kind != "resource" || b.labels[0] != typ
	})
}

// terraformBlocks returns the blocks of all files below a directory of terraform/.
func terraformBlocks(t *testing.T, below string) []hclBlock {
	t.Helper()
	var found []hclBlock
	root := filepath.Join(terraformDir, below)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".tf" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, diagnostics := hclsyntax.ParseConfig(src, path, hcl.InitialPos)
		if diagnostics.HasErrors() {
			return diagnostics
		}
		dir, err := filepath.Rel(terraformDir, filepath.Dir(path))
		if err != nil {
			return err
		}
		body, ok := file.Body.(*hclsyntax.Body)
		require.True(t, ok, path)
		for _, b := range body.Blocks {
			found = append(found, hclBlock{dir: dir, kind: b.Type, labels: b.Labels, body: b.Body})
		}
		return nil
	})
	require.NoError(t, err)
	return found
}

// variableDefault returns what a variable is when nobody sets it.
func variableDefault(t *testing.T, dir, name string) cty.Value {
	t.Helper()
	for _, b := range terraformBlocks(t, dir) {
		if b.kind == "variable" && b.labels[0] == name {
			value, diagnostics := b.body.Attributes["default"].Expr.Value(nil)
			require.False(t, diagnostics.HasErrors(), "%s of %s: %s", name, dir, diagnostics)
			return value
		}
	}
	require.FailNow(t, "no variable "+name+" in "+dir)
	return cty.NilVal
}

// TestEdgePassesPayloads: what ingest takes by default, the firewall lets through by default, and not more.
func TestEdgePassesPayloads(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.FunctionLocal, []string{"HOME=/home/u"})
	require.NoError(t, err)
	for _, dir := range []string{"modules/edge", "environments/dev", "environments/staging", "environments/prod"} {
		limit, _ := variableDefault(t, dir, "max_payload_bytes").AsBigFloat().Int64()
		require.EqualValues(t, c.Ingest.MaxPayload, limit, dir)
	}
}

// TestGitHubChecksAreJobs: a check that no job reports would block every merge, for ever.
func TestGitHubChecksAreJobs(t *testing.T) {
	t.Parallel()
	jobs := map[string]bool{}
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	require.NoError(t, err)
	job := regexp.MustCompile(`(?m)^  ([a-z][a-z0-9-]*):\n(?:    .*\n)*?    (?:runs-on|uses):`)
	for _, path := range files {
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, match := range job.FindAllStringSubmatch(string(src), -1) {
			jobs[match[1]] = true
		}
	}
	for _, check := range variableDefault(t, "modules/github", "required_checks").AsValueSlice() {
		require.Contains(t, slices.Collect(maps.Keys(jobs)), check.AsString())
	}
}

// TestGitHubOwnersReview: GitHub ignores owners that are no teams, or may not write.
func TestGitHubOwnersReview(t *testing.T) {
	t.Parallel()
	writers := map[string]bool{}
	for name, team := range variableDefault(t, "modules/github", "teams").AsValueMap() {
		permission := team.GetAttr("permission").AsString()
		writers["@homing-hooks/"+name] = permission == "push" || permission == "maintain"
	}
	src, err := os.ReadFile("../../.github/CODEOWNERS")
	require.NoError(t, err)
	owned := 0
	for line := range strings.Lines(string(src)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		require.GreaterOrEqual(t, len(fields), 2, "nobody owns %s", line)
		for _, owner := range fields[1:] {
			owned++
			require.True(t, writers[owner], "%s cannot review %s", owner, fields[0])
		}
	}
	require.NotZero(t, owned)
}

// inState are the secrets that Terraform's state cannot do without, with the reason.
var inState = map[string]string{
	"modules/data: random_password.redis":     "ElastiCache takes no token by a write-only argument; rotated at once",
	"modules/data: random_password.amazon_mq": "Amazon MQ, where it is used, takes no password by a write-only argument",
}

// TestSecretsStayOutOfState: what is secret is ephemeral, and written by write-only arguments.
func TestSecretsStayOutOfState(t *testing.T) {
	t.Parallel()
	versions := terraformResources(t, "aws_secretsmanager_secret_version")
	require.NotEmpty(t, versions)
	for _, b := range versions {
		require.Nil(t, b.body.Attributes["secret_string"], b)
		require.NotNil(t, b.body.Attributes["secret_string_wo"], b)
	}
	for _, typ := range []string{"random_password", "tls_private_key", "kubernetes_secret_v1", "aws_iam_access_key"} {
		for _, b := range terraformResources(t, typ) {
			require.Contains(t, inState, b.String())
		}
	}
}

// TestSecretsAreWrittenOnce: Terraform must never write over what rotation has written. A version without a label is
// cleaned away in time, and Terraform would then make another: so one label stays, and where the others go is ignored.
func TestSecretsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	for _, b := range terraformResources(t, "aws_secretsmanager_secret_version") {
		if b.dir != "modules/secrets" {
			continue
		}
		stages, diagnostics := b.body.Attributes["version_stages"].Expr.Value(nil)
		require.False(t, diagnostics.HasErrors(), b)
		require.Contains(t, stages.AsValueSlice(), cty.StringVal("bootstrap"), b)
		version, diagnostics := b.body.Attributes["secret_string_wo_version"].Expr.Value(nil)
		require.False(t, diagnostics.HasErrors(), b)
		require.True(t, version.RawEquals(cty.NumberIntVal(1)), "%s: another version writes over the present one", b)
		lifecycle := b.body.Blocks[0].Body.Attributes
		require.Equal(t, "version_stages", lifecycle["ignore_changes"].Expr.Variables()[0].RootName(), b)
		prevented, _ := lifecycle["prevent_destroy"].Expr.Value(nil)
		require.True(t, prevented.True(), b)
	}
}

// TestImagesHaveRepositories: the registry has a place for each program, and for nothing else.
func TestImagesHaveRepositories(t *testing.T) {
	t.Parallel()
	var want, got []string
	for _, pattern := range []string{"../../functions/*/main.go", "../../cmd/*/main.go"} {
		mains, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, main := range mains {
			want = append(want, "homing/"+filepath.Base(filepath.Dir(main)))
		}
	}
	for _, name := range variableDefault(t, "modules/registry", "repositories").AsValueSlice() {
		got = append(got, name.AsString())
	}
	require.ElementsMatch(t, want, got)
}

// TestStatesAreApart: each root has a state of its own, in the bucket that module state makes for it, encrypted and
// locked.
func TestStatesAreApart(t *testing.T) {
	t.Parallel()
	roots := map[string]string{"organization": "organization"}
	for _, environment := range []string{"dev", "staging", "prod"} {
		roots["environments/"+environment] = environment
	}
	for dir, name := range roots {
		backend := map[string]cty.Value{}
		for _, b := range terraformBlocks(t, dir) {
			for _, inner := range b.body.Blocks {
				if b.kind != "terraform" || inner.Type != "backend" {
					continue
				}
				require.Equal(t, []string{"s3"}, inner.Labels, dir)
				for argument, attribute := range inner.Body.Attributes {
					value, diagnostics := attribute.Expr.Value(nil)
					require.False(t, diagnostics.HasErrors(), dir)
					backend[argument] = value
				}
			}
		}
		bucket := cty.StringVal("homing-" + name + "-terraform-state")
		require.Equal(t, bucket, backend["bucket"], dir)
		require.Equal(t, cty.StringVal("alias/"+bucket.AsString()), backend["kms_key_id"], dir)
		require.Equal(t, cty.True, backend["encrypt"], dir)
		require.Equal(t, cty.True, backend["use_lockfile"], dir)
	}
}

// TestBudgetsFitTheCosts: a budget below what an environment costs cries wolf each month; one above the most that it
// can cost says nothing.
func TestBudgetsFitTheCosts(t *testing.T) {
	t.Parallel()
	costs, err := os.ReadFile("../../docs/costs.md")
	require.NoError(t, err)
	for _, environment := range []string{"dev", "staging", "prod"} {
		row := regexp.MustCompile(`(?m)^\| ` + environment + ` \| (\d+) \| \d+ \| (\d+) \|$`).FindSubmatch(costs)
		require.NotNil(t, row, environment)
		start, err := strconv.ParseFloat(string(row[1]), 64)
		require.NoError(t, err)
		most, err := strconv.ParseFloat(string(row[2]), 64)
		require.NoError(t, err)
		budget, _ := settings(t, environment)["monthly_usd"].AsBigFloat().Float64()
		require.Greater(t, budget, start, environment)
		require.Less(t, budget, most, environment)
	}
}
