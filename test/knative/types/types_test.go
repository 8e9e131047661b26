package types_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podapi "k8s.io/pod-security-admission/api"
	podpolicy "k8s.io/pod-security-admission/policy"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	sourcesv1 "knative.dev/eventing/pkg/apis/sources/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/eventing"
	"github.com/homing-hooks/homing/pkg/bus"
	"github.com/homing-hooks/homing/pkg/wire"

	"time"
)

const root = "../../.."

// TestEveryFileIsDeployed: what no kustomization names is checked by nobody and applied by nobody.
func TestEveryFileIsDeployed(t *testing.T) {
	t.Parallel()
	var kustomizations []string
	for _, pattern := range []string{
		"/eventing/kustomization.yaml", "/eventing/*/*/kustomization.yaml", "/knative/*/kustomization.yaml",
		"/knative/*/*/kustomization.yaml",
	} {
		more, err := filepath.Glob(root + pattern)
		require.NoError(t, err)
		kustomizations = append(kustomizations, more...)
	}
	require.Len(t, kustomizations, 1+1+3+2)
	for _, file := range kustomizations {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var k struct{ Resources, Configurations []string }
		require.NoError(t, yaml.Unmarshal(text, &k))
		files, err := filepath.Glob(filepath.Dir(file) + "/*.yaml")
		require.NoError(t, err)
		named := slices.Concat(k.Resources, k.Configurations)
		for _, f := range files {
			require.True(t, f == file || slices.Contains(named, filepath.Base(f)), f)
		}
	}
}

// TestTriggersAreThoseOfTheCode: on Knative the same events go to the same functions as everywhere else, and each of
// HOMING_PARTITIONS has its trigger.
func TestTriggersAreThoseOfTheCode(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		triggers, err := eventing.Triggers(e.config(t, "deliver").Services.Partitions)
		require.NoError(t, err)
		want := make(map[string]eventing.Trigger)
		for _, trigger := range triggers {
			trigger.Parallelism = 0
			want[trigger.Name] = trigger
		}
		got := make(map[string]eventing.Trigger)
		for name, trigger := range all[*eventingv1.Trigger](t, e) {
			edge := eventing.Trigger{
				Name: name, Broker: trigger.Spec.Broker, Subscriber: string(services[trigger.Spec.Subscriber.Ref.Name]),
			}
			if trigger.Spec.Filter != nil {
				edge.Filter = trigger.Spec.Filter.Attributes
			}
			got[name] = edge
		}
		require.Equal(t, want, got)
	})
}

// TestEveryHintHasATrigger: what the functions say to each other arrives.
func TestEveryHintHasATrigger(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		types := make(map[string]bool)
		for _, trigger := range all[*eventingv1.Trigger](t, e) {
			if trigger.Spec.Broker == bus.BrokerDeliveries {
				types[trigger.Spec.Filter.Attributes["type"]] = true
			}
		}
		require.Equal(t, map[string]bool{
			wire.TypeDue: true, wire.TypeOverdue: true, wire.TypeRescheduled: true, wire.TypeJobs: true,
		}, types)
	})
}

// TestTriggersLeadToOurServices: and what fails goes where it is taken for good.
func TestTriggersLeadToOurServices(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		brokers := all[*eventingv1.Broker](t, e)
		for name, trigger := range all[*eventingv1.Trigger](t, e) {
			require.Contains(t, brokers, trigger.Spec.Broker, name)
			subscriber, dead := trigger.Spec.Subscriber.Ref, trigger.Spec.Delivery.DeadLetterSink.Ref
			for _, ref := range []string{subscriber.Name, dead.Name} {
				require.Contains(t, services, ref, name)
			}
			want := map[string]string{bus.BrokerEvents: "ingest-broker", bus.BrokerDeliveries: "retry"}[trigger.Spec.Broker]
			require.Equal(t, want, dead.Name, name)
		}
	})
}

// TestTheTickIsTheOneOfTheSettings: HOMING_TICK is how long a tick is held.
func TestTheTickIsTheOneOfTheSettings(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		source := all[*sourcesv1.PingSource](t, e)["tick"]
		require.Equal(t, "retry", source.Spec.Sink.Ref.Name)
		schedule, err := cron.NewParser( // as PingSource reads it
			cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow,
		).Parse(source.Spec.Schedule)
		require.NoError(t, err)
		first := schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		require.Equal(t, e.config(t, "retry").Retry.Tick, schedule.Next(first).Sub(first))
	})
}

// TestOnlyPublicFacesArePublic: Knative takes the label, and makes everything else public.
func TestOnlyPublicFacesArePublic(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		for name, s := range all[*servingv1.Service](t, e) {
			want := "cluster-local"
			if name == "ingest" || name == "manage" {
				want = ""
			}
			require.Equal(t, want, s.Labels["networking.knative.dev/visibility"], name)
		}
	})
}

// TestContainersAreAsTheProgramsAre: image, ports and probes are there in the code, and nothing is left to chance.
func TestContainersAreAsTheProgramsAre(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		accounts := all[*corev1.ServiceAccount](t, e)
		for name, s := range all[*servingv1.Service](t, e) {
			pod := s.Spec.Template.Spec.PodSpec
			require.Len(t, pod.Containers, 1, name)
			c := pod.Containers[0]
			isProgram(t, c.Image)
			require.True(t, strings.HasSuffix(c.Image, "/functions/"+string(services[name])), name)
			require.EqualValues(t, 8080, c.Ports[0].ContainerPort)
			require.Equal(t, "/readyz", c.ReadinessProbe.HTTPGet.Path)
			require.Zero(t, c.ReadinessProbe.PeriodSeconds, "%s: queue-proxy would wait that long", name)
			require.Equal(t, "/healthz", c.LivenessProbe.HTTPGet.Path)
			require.Contains(t, accounts, pod.ServiceAccountName)
			require.Equal(t, ":9464", e.config(t, name).MetricsAddress())
			require.NotZero(t, c.Resources.Requests.Cpu().MilliValue(), name)
			require.NotZero(t, c.Resources.Limits.Memory().Value(), name)
			for _, annotation := range []string{
				"class", "metric", "target", "target-utilization-percentage", "target-burst-capacity", "window",
				"initial-scale", "min-scale", "max-scale", "scale-to-zero-pod-retention-period",
			} {
				require.Contains(t, s.Spec.Template.Annotations, "autoscaling.knative.dev/"+annotation, name)
			}
			require.Positive(t, *s.Spec.Template.Spec.ContainerConcurrency, name)
		}
		migrate := all[*batchv1.Job](t, e)["migrate"].Spec.Template.Spec
		isProgram(t, migrate.Containers[0].Image)
		require.Contains(t, accounts, migrate.ServiceAccountName)
	})
}

// isProgram: the image is of a package in this repository that is a program.
func isProgram(t *testing.T, image string) {
	t.Helper()
	path, ok := strings.CutPrefix(image, "ko.local/github.com/homing-hooks/homing/")
	require.True(t, ok, image)
	main, err := os.ReadFile(filepath.Join(root, path, "main.go"))
	require.NoError(t, err)
	require.Contains(t, string(main), "package main")
}

// TestPodsAreRestricted: by the very rules of Kubernetes' strictest pod security standard.
func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := podpolicy.NewEvaluator(podpolicy.DefaultChecks())
	require.NoError(t, err)
	level := podapi.LevelVersion{Level: podapi.LevelRestricted, Version: podapi.LatestVersion()}
	each(t, func(t *testing.T, e *environment) {
		pods := map[string]*corev1.PodSpec{"migrate": &all[*batchv1.Job](t, e)["migrate"].Spec.Template.Spec}
		for name, s := range all[*servingv1.Service](t, e) {
			pods[name] = &s.Spec.Template.Spec.PodSpec
		}
		for name, pod := range pods {
			verdict := podpolicy.AggregateCheckResults(evaluator.EvaluatePod(level, &metav1.ObjectMeta{}, pod))
			require.True(t, verdict.Allowed, "%s: %s", name, verdict.ForbiddenDetail())
			require.True(t, *pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem, name)
			require.False(t, *pod.AutomountServiceAccountToken, name)
			require.False(t, *pod.EnableServiceLinks, name)
		}
	})
}
