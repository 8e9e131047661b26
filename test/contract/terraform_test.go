package contract

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
	"github.com/zclconf/go-cty/cty"
	"sigs.k8s.io/yaml"
)

// infrastructure is where the Terraform code is.
const infrastructure = "../../terraform"

var environments = []string{"dev", "staging", "prod"}

// TestTerraformPinsWhatKnativeAsks compares the cluster's version with the one below which Knative refuses to start, as
// the module that we are linked with says it, and with all places that repeat it.
func TestTerraformPinsWhatKnativeAsks(t *testing.T) {
	t.Parallel()
	module := blocks(t, "modules/cluster/variables.tf", "variable")
	pinned := text(t, module["kubernetes_version"].Attributes["default"])
	require.Equal(t, "1.34", pinned, "the plan's, and the one that the lab runs")
	require.GreaterOrEqual(t, minor(t, pinned), minor(t, strings.TrimPrefix(knativeMinimum(t), "v")))

	addons := value(t, module["addon_versions"].Attributes["default"]).AsValueMap()
	require.True(t, strings.HasPrefix(addons["kube-proxy"].AsString(), "v"+pinned+"."), "kube-proxy is of another version")
	for _, name := range environments {
		cluster := blocks(t, "environments/"+name+"/cluster.tf", "module")["cluster"]
		require.Equal(t, pinned, text(t, cluster.Attributes["kubernetes_version"]), name)
	}
}

// TestTerraformInstallsTheKnativeThatIsTested compares the platform's version with the one of the modules in
// test/knative: 1.21 is v0.48.
func TestTerraformInstallsTheKnativeThatIsTested(t *testing.T) {
	t.Parallel()
	platform := blocks(t, "modules/platform/variables.tf", "variable")
	version := text(t, platform["knative_version"].Attributes["default"])
	require.Regexp(t, `^1\.21\.\d+$`, version)
	charts := value(t, platform["charts"].Attributes["default"]).AsValueMap()
	require.Equal(t, "v"+version, charts["knative-operator"].AsString(), "the operator installs what it knows")

	goMod, err := os.ReadFile("../knative/go.mod")
	if os.IsNotExist(err) {
		return // the tests on the real data plane are a module of their own
	}
	require.NoError(t, err)
	require.Regexp(t, `knative\.dev/serving v0\.48\.\d+`, string(goMod))
}

// TestTerraformBoundsNodeGroups holds every environment to three groups of 1 to 10 nodes.
func TestTerraformBoundsNodeGroups(t *testing.T) {
	t.Parallel()
	for _, name := range environments {
		groups := settings(t, name)["node_groups"].AsValueMap()
		require.Len(t, groups, 3, name)
		for _, group := range []string{"system", "application", "build"} {
			require.Contains(t, groups, group, name)
			g := groups[group]
			least, first, most := number(t, g, "min"), number(t, g, "desired"), number(t, g, "max")
			require.True(t, 1 <= least && least <= first && first <= most && most <= 10,
				"%s: %s has %v to %v nodes, %v at first", name, group, least, most, first)
			for _, kind := range g.GetAttr("instance_types").AsValueSlice() {
				require.Regexp(t, `^m7i\.`, kind.AsString(), "does it encrypt traffic between nodes? See decision 19")
			}
		}
	}
}

// TestTerraformKeepsEnvironmentsApart: accounts, states and addresses are of one environment each, everybody refuses
// the others' addresses, and nothing in the code can join two networks.
func TestTerraformKeepsEnvironmentsApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	networks := map[string]netip.Prefix{}
	for _, name := range environments {
		s := settings(t, name)
		require.Equal(t, name, s["environment"].AsString())
		backend := blocks(t, "environments/"+name+"/backend.tf", "terraform")[""].Blocks[0].Body
		for what, is := range map[string]string{
			"account": s["account_id"].AsString(), "domain": s["domain"].AsString(),
			"state": text(t, backend.Attributes["bucket"]), "key": text(t, backend.Attributes["kms_key_id"]),
		} {
			require.Empty(t, seen[what+is], "%s of %s is that of another environment: %s", what, name, is)
			seen[what+is] = name
		}
		require.True(t, value(t, backend.Attributes["encrypt"]).True() && value(t, backend.Attributes["use_lockfile"]).True(),
			"the state of %s must be encrypted and locked", name)
		networks[name] = netip.MustParsePrefix(s["network"].GetAttr("cidr").AsString())
	}
	for _, name := range environments {
		var refused []string
		for _, cidr := range settings(t, name)["network"].GetAttr("foreign_cidrs").AsValueSlice() {
			refused = append(refused, cidr.AsString())
		}
		for _, other := range environments {
			if other != name {
				require.False(t, networks[name].Overlaps(networks[other]), "%s and %s share addresses", name, other)
				require.Contains(t, refused, networks[other].String(), "%s does not refuse %s", name, other)
			}
		}
	}
	joins := regexp.MustCompile(
		`"aws_(vpc_peering_connection|ec2_transit_gateway|vpn_connection|dx_|networkmanager_|vpclattice_)`)
	eachFile(t, infrastructure, ".tf", func(path, content string) {
		require.NotRegexp(t, joins, content, "%s can join two networks", path)
	})
}

// TestTerraformMakesAllEnvironmentsAlike: the files that say what an environment is are the same in all; its settings
// differ.
func TestTerraformMakesAllEnvironmentsAlike(t *testing.T) {
	t.Parallel()
	own := map[string]bool{"backend.tf": true, "environment.auto.tfvars": true}
	prod := filepath.Join(infrastructure, "environments", "prod")
	model, err := filepath.Glob(filepath.Join(prod, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, model)
	for _, path := range append(model, filepath.Join(prod, "tests", "environment.tftest.hcl")) {
		if own[filepath.Base(path)] || filepath.Ext(path) == "" {
			continue
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, name := range environments {
			other := strings.Replace(path, prod, filepath.Join(infrastructure, "environments", name), 1)
			got, err := os.ReadFile(other)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), "%s differs from prod's", other)
		}
	}
}

// TestTerraformNamesTheProbes: the probes' receiver has the name that the edge lets in, their namespace may map it, and
// they send to the edge's other names. Where there are no probes, they have no name.
func TestTerraformNamesTheProbes(t *testing.T) {
	t.Parallel()
	for _, name := range environments {
		directory := "../../monitoring/probe/" + name
		edge := edgeHosts(t, name)
		if edge["probe_host"].IsNull() {
			require.NoDirExists(t, directory, "the probes of %s have no name", name)
			continue
		}
		var probes struct {
			Namespace          string
			ConfigMapGenerator []struct{ Literals []string }
		}
		content, err := os.ReadFile(directory + "/kustomization.yaml")
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(content, &probes))
		require.Subset(t, probes.ConfigMapGenerator[0].Literals, []string{
			"HOMING_PROBE_RECEIVER=https://" + edge["probe_host"].AsString(),
			"HOMING_PROBE_INGEST=https://" + edge["events_host"].AsString(),
			"HOMING_SERVER=https://" + edge["api_host"].AsString(),
		}, name)
		require.Equal(t, variableDefault(t, "modules/edge", "namespace").AsString(), probes.Namespace)

		content, err = os.ReadFile(directory + "/domain.yaml")
		require.NoError(t, err)
		mapping := objects(t, directory, string(content))[0]
		require.Equal(t, edge["probe_host"].AsString(), mapping["metadata"].(map[string]any)["name"], name)
	}
}

// edgeHosts returns the public names of an environment, as its settings make them.
func edgeHosts(t *testing.T, environment string) map[string]cty.Value {
	t.Helper()
	given := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(settings(t, environment))}}
	edge := blocks(t, "environments/"+environment+"/edge.tf", "module")["edge"]
	hosts := map[string]cty.Value{}
	for _, argument := range []string{"events_host", "api_host", "probe_host"} {
		require.Contains(t, edge.Attributes, argument, environment)
		host, diagnostics := edge.Attributes[argument].Expr.Value(given)
		require.False(t, diagnostics.HasErrors(), "%s", diagnostics)
		hosts[argument] = host
	}
	return hosts
}

// TestTerraformGivesPostgresEnoughConnections: what the manifests' pools may open stays below what Postgres allows, of
// which a tenth is kept for migrations and people.
func TestTerraformGivesPostgresEnoughConnections(t *testing.T) {
	t.Parallel()
	for _, name := range environments {
		allowed := int(0.9 * number(t, settings(t, name)["postgres"], "max_connections"))
		asked := connections(t, name)
		require.Positive(t, asked)
		require.GreaterOrEqual(t, allowed, asked, "%s: Postgres allows too few connections", name)
	}
}

// connections returns what an environment's manifests reckon with. Where there are none yet: two revisions of each
// function, as many pods as the platform gives a service that says nothing, each with the default pool.
func connections(t *testing.T, environment string) int {
	t.Helper()
	reckoned := regexp.MustCompile(`postgres-max-connections,? *(?:value)?:? *"(\d+)"`)
	for _, file := range []string{"overlays/" + environment + "/kustomization.yaml", "base/namespace.yaml"} {
		content, err := os.ReadFile(filepath.Join("../../knative", file))
		if err == nil {
			if found := reckoned.FindStringSubmatch(string(content)); found != nil {
				n, err := strconv.Atoi(found[1])
				require.NoError(t, err)
				return n
			}
		}
	}
	documentation, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	pool := regexp.MustCompile("`HOMING_DATABASE_POOL` \\| `(\\d+)`").FindStringSubmatch(string(documentation))
	require.NotNil(t, pool)
	size, err := strconv.Atoi(pool[1])
	require.NoError(t, err)
	mains, err := filepath.Glob("../../functions/*/main.go")
	require.NoError(t, err)
	return 2 * len(mains) * size
}

// TestTerraformQueuesAreQuorumQueues looks at every object of every manifest: what declares a queue says quorum, what
// chooses for others (a broker's configuration, a server's default) does too, and nothing mirrors, which RabbitMQ 4 has
// forgotten.
func TestTerraformQueuesAreQuorumQueues(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	for _, dir := range []string{"../../eventing", "../../knative", infrastructure} {
		eachFile(t, dir, ".yaml", func(path, content string) {
			for _, object := range objects(t, path, content) {
				kind, _ := object["kind"].(string)
				kinds[kind]++
				require.Empty(t, notQuorum(kind, object), path)
			}
		})
	}
	require.Positive(t, kinds["RabbitmqBrokerConfig"])
	require.Positive(t, kinds["RabbitmqCluster"])
	require.Positive(t, kinds["Broker"])
}

// notQuorum says what is wrong with an object that has to do with queues; nothing when it is fine or has not.
func notQuorum(kind string, object map[string]any) string {
	spec, _ := object["spec"].(map[string]any)
	switch kind {
	case "Queue":
		if spec["type"] != "quorum" {
			return fmt.Sprintf("a queue of type %v", spec["type"])
		}
	case "RabbitmqBrokerConfig":
		if spec["queueType"] != "quorum" {
			return fmt.Sprintf("a broker with queues of type %v", spec["queueType"])
		}
	case "Broker":
		if config, _ := spec["config"].(map[string]any); config["kind"] != "RabbitmqBrokerConfig" {
			return "a broker without RabbitmqBrokerConfig makes classic queues"
		}
	case "RabbitmqCluster":
		rabbitmq, _ := spec["rabbitmq"].(map[string]any)
		if config, _ := rabbitmq["additionalConfig"].(string); !strings.Contains(config, "default_queue_type = quorum\n") {
			return "a server whose queues are not of type quorum by default"
		}
		if spec["replicas"] != 3.0 {
			return "a quorum needs three nodes"
		}
	case "Policy":
		if definition := fmt.Sprint(spec["definition"]); strings.Contains(definition, "ha-mode") {
			return "a policy that mirrors"
		}
	}
	return ""
}

// TestTerraformFindsQueuesThatAreNotQuorum gives the check above what it must refuse.
func TestTerraformFindsQueuesThatAreNotQuorum(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"AClassicQueue":           "{kind: Queue, spec: {type: classic}}",
		"AQueueWithoutType":       "{kind: Queue, spec: {name: x}}",
		"AClassicBroker":          "{kind: RabbitmqBrokerConfig, spec: {queueType: classic}}",
		"ABrokerOnTheBareCluster": "{kind: Broker, spec: {config: {kind: RabbitmqCluster}}}",
		"AServerWithoutDefault":   "{kind: RabbitmqCluster, spec: {replicas: 3}}",
		"AServerOfTwo": `{kind: RabbitmqCluster,
			spec: {replicas: 2, rabbitmq: {additionalConfig: "default_queue_type = quorum\n"}}}`,
		"APolicyThatMirrorsQueues": "{kind: Policy, spec: {definition: {ha-mode: all}}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var object map[string]any
			require.NoError(t, yaml.Unmarshal([]byte(document), &object))
			require.NotEmpty(t, notQuorum(object["kind"].(string), object))
		})
	}
}

// TestTerraformFetchesTheSecretsThatManifestsName: each key of a Secret that is fetched is a setting or a credential,
// and each that a manifest refers to is fetched.
func TestTerraformFetchesTheSecretsThatManifestsName(t *testing.T) {
	t.Parallel()
	configuration, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	settings := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(string(configuration), -1) {
		settings[row[1]] = true
	}
	fetched := map[string]bool{}
	eachFile(t, filepath.Join(infrastructure, "modules/platform/objects/secrets"), ".yaml", func(path, content string) {
		for _, object := range objects(t, path, content) {
			if object["kind"] != "ExternalSecret" {
				continue
			}
			target := object["spec"].(map[string]any)["target"].(map[string]any)
			for key := range target["template"].(map[string]any)["data"].(map[string]any) {
				fetched[target["name"].(string)+"/"+key] = true
				if key == strings.ToUpper(key) {
					require.Contains(t, settings, key, "%s fetches a setting that there is not", path)
				}
			}
		}
	})
	require.Contains(t, fetched, "homing-deliver/HOMING_ENCRYPTION_KEYS")
	require.NotContains(t, fetched, "homing-ingest/HOMING_ENCRYPTION_KEYS", "ingest opens no secret")
	if _, err := os.Stat("../../knative/base"); err != nil {
		return // the manifests are not here yet
	}
	reference := regexp.MustCompile(`secretKeyRef:\s+name: (\S+)\s+key: (\S+)`)
	eachFile(t, "../../knative/base", ".yaml", func(path, content string) {
		for _, named := range reference.FindAllStringSubmatch(content, -1) {
			if !strings.HasSuffix(path, "migrate.yaml") { // its Secret is the owner's, made for the moment of a migration
				require.Contains(t, fetched, named[1]+"/"+named[2], "%s starts with a secret that nobody fetches", path)
			}
		}
	})
}

// knativeMinimum returns the oldest version of Kubernetes that Knative starts on, as its own code has it.
func knativeMinimum(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "knative.dev/pkg").Output()
	require.NoError(t, err)
	source := filepath.Join(strings.TrimSpace(string(dir)), "version", "version.go")
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
	require.NoError(t, err)
	var found string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Names[0].Name == "defaultMinimumVersion" {
			found, err = strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
		}
		return true
	})
	require.NotEmpty(t, found)
	return found
}

// minor returns the second number of a version.
func minor(t *testing.T, version string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.Split(version, ".")[1])
	require.NoError(t, err)
	return n
}

// settings returns what environment.auto.tfvars of an environment says.
func settings(t *testing.T, environment string) map[string]cty.Value {
	t.Helper()
	values := map[string]cty.Value{}
	for name, attribute := range body(t, "environments/"+environment+"/environment.auto.tfvars").Attributes {
		values[name] = value(t, attribute)
	}
	return values
}

// blocks returns the bodies of a file's blocks of a type, by their last label.
func blocks(t *testing.T, file, kind string) map[string]*hclsyntax.Body {
	t.Helper()
	found := map[string]*hclsyntax.Body{}
	for _, block := range body(t, file).Blocks {
		if block.Type == kind {
			label := ""
			if len(block.Labels) > 0 {
				label = block.Labels[len(block.Labels)-1]
			}
			found[label] = block.Body
		}
	}
	require.NotEmpty(t, found, "%s has no %s", file, kind)
	return found
}

func body(t *testing.T, file string) *hclsyntax.Body {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(infrastructure, file))
	require.NoError(t, err)
	parsed, diagnostics := hclsyntax.ParseConfig(content, file, hcl.InitialPos)
	require.False(t, diagnostics.HasErrors(), "%s", diagnostics)
	return parsed.Body.(*hclsyntax.Body)
}

func value(t *testing.T, attribute *hclsyntax.Attribute) cty.Value {
	t.Helper()
	require.NotNil(t, attribute)
	v, diagnostics := attribute.Expr.Value(nil)
	require.False(t, diagnostics.HasErrors(), "%s", diagnostics)
	return v
}

func text(t *testing.T, attribute *hclsyntax.Attribute) string {
	t.Helper()
	return value(t, attribute).AsString()
}

func number(t *testing.T, object cty.Value, name string) float64 {
	t.Helper()
	f, _ := object.GetAttr(name).AsBigFloat().Float64()
	return f
}

// eachFile calls visit with every file below dir that ends so. A directory that is not there has none.
func eachFile(t *testing.T, dir, extension string, visit func(path, content string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != extension {
			return err
		}
		content, err := os.ReadFile(path)
		visit(path, string(content))
		return err
	})
	require.NoError(t, err)
}

// objects returns the objects of a YAML file. What Terraform fills in when it reads the file stands there as ${name}.
func objects(t *testing.T, path, content string) []map[string]any {
	t.Helper()
	if strings.Contains(path, "/templates/") { // of Helm charts: not YAML until they are rendered
		return nil
	}
	filled := regexp.MustCompile(`\$\{(\w+)\}`).ReplaceAllString(content, "x-$1")
	var found []map[string]any
	for _, document := range regexp.MustCompile(`(?m)^---\n`).Split(filled, -1) {
		var object map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(document), &object), path)
		if object["kind"] != nil {
			found = append(found, object)
		}
	}
	return found
}
