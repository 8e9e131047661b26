package types_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/homing-hooks/homing/test/knative/manifest"
)

// TestMistakesAreRefused plants one mistake at a time into a manifest that is right.
func TestMistakesAreRefused(t *testing.T) {
	t.Parallel()
	const deliver, trigger = "knative/base/deliver.yaml", "eventing/deliver-due-0.yaml"
	for name, mistake := range map[string]struct{ file, before, after, problem string }{
		"an unknown field": {
			deliver,
			"timeoutSeconds:",
			"timeoutSecond:",
			`unknown field "spec.template.spec.timeoutSecond"`,
		},
		"a field in the wrong case": {
			deliver,
			"timeoutSeconds:",
			"timeoutseconds:",
			`unknown field "spec.template.spec.timeoutseconds"`,
		},
		"a field twice": {
			deliver,
			"timeoutSeconds:",
			"timeoutSeconds: 90\n      timeoutSeconds:",
			"already set",
		},
		"an impossible window": {
			deliver,
			"/window: 30s",
			"/window: 5s",
			"autoscaling.knative.dev/window",
		},
		"a target of zero": {
			deliver,
			`/target: "10"`,
			`/target: "0"`,
			"autoscaling.knative.dev/target",
		},
		"a timeout that is too long": {
			deliver,
			"timeoutSeconds: 75",
			"timeoutSeconds: 601",
			"expected 0 <= 601 <= 600",
		},
		"a concurrency that is too high": {
			deliver,
			"containerConcurrency: 100",
			"containerConcurrency: 1001",
			"expected 0 <= 1001 <= 1000",
		},
		"a port of queue-proxy":   {deliver, "containerPort: 8080", "containerPort: 8012", "8012"},
		"a protocol that is none": {deliver, "name: http1", "name: http", "is not allowed"},
		"a reserved variable": {
			deliver,
			"- name: HOMING_SLOTS",
			"- name: K_REVISION",
			`"K_REVISION" is a reserved environment variable`,
		},
		"a host's network": {
			deliver,
			"enableServiceLinks: false",
			"hostNetwork: true",
			"hostNetwork",
		},
		"another namespace": {
			deliver,
			"namespace: homing",
			"namespace: default",
			`its namespace is "default"`,
		},
		"no namespace": {deliver, "  namespace: homing\n", "", `its namespace is ""`},
		"a kind that is not ours": {
			deliver,
			"kind: Service",
			"kind: Configuration",
			"no kind that is deployed here",
		},
		"spec.filters": {
			trigger,
			"  filter:",
			"  filters:\n    - exact: {type: x}\n  filter:",
			"ignores spec.filters",
		},
		"no dead-letter sink": {
			trigger,
			"    deadLetterSink:\n      ref:\n        apiVersion: serving.knative.dev/v1\n" +
				"        kind: Service\n        name: retry\n",
			"",
			"no deadLetterSink",
		},
		"no retry":                      {trigger, "    retry: 3\n", "", "no retry"},
		"no timeout":                    {trigger, "    timeout: PT10S\n", "", "no timeout"},
		"a timeout in another notation": {trigger, "timeout: PT10S", "timeout: 10s", "invalid value: 10s"},
		"a backoff that is none": {
			trigger,
			"backoffPolicy: exponential",
			"backoffPolicy: quick",
			"backoffPolicy",
		},
		"too much parallelism": {
			trigger,
			`parallelism: "100"`,
			`parallelism: "1001"`,
			"parallelism",
		},
		"a filter's value that is a number": {trigger, `partition: "0"`, "partition: 0", "cannot unmarshal"},
		"a filter by no attribute":          {trigger, `partition: "0"`, `Partition: "0"`, "Partition"},
		"no broker":                         {trigger, "  broker: deliveries\n", "", "spec.broker"},
		"another class of broker": {
			"eventing/broker-events.yaml",
			"RabbitMQBroker",
			"MTChannelBasedBroker",
			"its class",
		},
		"no config of the broker": {
			"eventing/broker-events.yaml",
			"    name: homing\n    namespace: homing\n",
			"",
			"spec.config",
		},
		"a RabbitMQ named twice": {
			"eventing/broker-config.yaml",
			"    connectionSecret:",
			"    name: rabbitmq\n    connectionSecret:",
			"must not be set simultaneously",
		},
		"a schedule that is none": {
			"eventing/source-tick.yaml",
			`"*/2 * * * *"`,
			`"@every 2m"`,
			"schedule",
		},
		"data that is no JSON": {"eventing/source-tick.yaml", `data: "{}"`, `data: "{"`, "data"},
		"no sink":              {"eventing/source-tick.yaml", "      name: retry\n", "", "sink"},
		"an unknown permission": {
			"eventing/parked-retry-permission.yaml",
			"    read:",
			"    reads:",
			`unknown field "spec.permissions.reads"`,
		},
		"a policy with a wrong type": {
			"eventing/policy-events.yaml",
			"port: 8080",
			"ports: 8080",
			`unknown field`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right, err := os.ReadFile(root + "/" + mistake.file)
			require.NoError(t, err)
			_, err = manifest.Parse(t.Context(), right)
			require.NoError(t, err)
			wrong := strings.Replace(string(right), mistake.before, mistake.after, 1)
			require.NotEqual(t, string(right), wrong, "the mistake is not planted")
			objects, err := manifest.Parse(t.Context(), []byte(wrong))
			require.ErrorContains(t, err, mistake.problem)
			require.Empty(t, objects)
		})
	}
}
