//go:build faults

package recovery_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/eventing"
)

// object is what of a manifest says what it is.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Template struct {
			Spec struct{ Containers []struct{ Image string } }
		}
	}
}

func (o *object) String() string { return o.Kind + "/" + o.Metadata.Name }

// TestTheClusterComesFromGit clones the repository and has hack/deploy.sh say what it would apply to an empty cluster:
// all there is to Homing, in an order that works, each object held to the types of its API, and nothing that is only in
// this checkout.
func TestTheClusterComesFromGit(t *testing.T) {
	t.Parallel()
	clone := filepath.Join(t.TempDir(), "clone")
	out, err := exec.CommandContext(t.Context(), "git", "clone", "--quiet", repository, clone).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for environment, partitions := range map[string]int{"dev": 1, "staging": 1, "prod": 4} {
		t.Run(environment, func(t *testing.T) {
			all := dryRun(t, clone, environment)
			at := func(what string) int {
				return slices.IndexFunc(all, func(o object) bool { return o.String() == what })
			}
			triggers, err := eventing.Triggers(partitions)
			require.NoError(t, err)
			ground := []string{
				"Namespace/homing", "Broker/events", "Broker/deliveries", "PingSource/tick", "Queue/parked",
				"NetworkPolicy/nobody",
			}
			for _, trigger := range triggers {
				ground = append(ground, "Trigger/"+trigger.Name)
			}
			migration := at("Job/migrate")
			require.NotEqual(t, -1, migration, "there is no migration")
			for _, what := range ground {
				require.NotEqual(t, -1, at(what), what)
				require.Less(t, at(what), migration, "%s comes before the migration", what)
			}
			for _, name := range []string{"ingest", "ingest-broker", "deliver", "retry", "manage"} {
				i := at("Service/" + name)
				require.Greater(t, i, migration, "%s comes after the migration", name)
				require.Equal(t, image, all[i].Spec.Template.Spec.Containers[0].Image)
			}
			require.Zero(t, at("Namespace/homing"), "everything else is in it")
			probes := at("Deployment/homing-probe")
			if environment == "dev" {
				require.Equal(t, -1, probes, "dev has no probes")
				return
			}
			require.Equal(t, len(all)-1, probes, "the probes come last")
			require.Equal(t, image, all[probes].Spec.Template.Spec.Containers[0].Image)
			require.NotEqual(t, -1, at("Service/homing-probe"), "where their name leads")
			require.Greater(t, at("DomainMapping/"+probeHosts[environment]), at("Service/manage"))
		})
	}
}

// image is one that is built already, as after the loss of a cluster: the registry is another account's.
const image = "registry.example.com/homing/any@sha256:0000000000000000000000000000000000000000000000000000000000000000"

// probeHosts are the names that the probes' webhooks come in by.
var probeHosts = map[string]string{"staging": "probe.staging.homing.example", "prod": "probe.homing.example"}

// dryRun is what would be applied, in order.
func dryRun(t *testing.T, clone, environment string) (all []object) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "hack/deploy.sh")
	command.Dir = clone
	command.Env = append(os.Environ(), "ENV="+environment, "DRY_RUN=1")
	for _, program := range []string{"INGEST", "DELIVER", "RETRY", "MANAGE", "HOMING", "HOMING_PROBE"} {
		command.Env = append(command.Env, "IMAGE_"+program+"="+image)
	}
	var printed, complaints bytes.Buffer
	command.Stdout, command.Stderr = &printed, &complaints
	require.NoError(t, command.Run(), "%s", complaints.Bytes())
	for text := range bytes.SplitSeq(append([]byte("\n"), printed.Bytes()...), []byte("\n---\n")) {
		var o object
		require.NoError(t, yaml.Unmarshal(text, &o))
		if o.Kind != "" { // there are separators at both ends
			all = append(all, o)
		}
	}
	return all
}
