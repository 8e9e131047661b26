package types_test

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/pkg/seal"
	"github.com/homing-hooks/homing/test/knative/manifest"
)

// environments are the overlays.
var environments = []string{"dev", "staging", "prod"}

// environment is one overlay, built and valid.
type environment struct {
	name    string
	objects []*manifest.Object
}

// each runs a test for each environment.
func each(t *testing.T, test func(t *testing.T, e *environment)) {
	t.Helper()
	t.Parallel()
	for _, name := range environments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, build(t, name))
		})
	}
}

func build(t testing.TB, name string) *environment {
	t.Helper()
	objects, err := manifest.Build(t.Context(), "../../../knative/overlays/"+name)
	require.NoError(t, err)
	return &environment{name: name, objects: objects}
}

// all returns the objects of a type, by name.
func all[T any](t testing.TB, e *environment) map[string]T {
	t.Helper()
	found := make(map[string]T)
	for _, o := range e.objects {
		if v, ok := o.Value.(T); ok {
			found[o.Name] = v
		}
	}
	require.NotEmpty(t, found)
	return found
}

// services are the Knative services and what they run.
var services = map[string]config.Function{
	"ingest": config.FunctionIngest, "ingest-broker": config.FunctionIngest, "deliver": config.FunctionDeliver,
	"retry": config.FunctionRetry, "manage": config.FunctionManage,
}

// secrets is the contract of the Secrets: what each service finds there, as docs/knative.md has it. The values are as
// good as any.
var secrets = map[string]map[string]string{
	"homing-ingest":        {"DATABASE_URL": database},
	"homing-ingest-broker": {"DATABASE_URL": database, "RABBITMQ_URL": "amqp://ingest:secret@rabbitmq:5672/"},
	"homing-deliver": {
		"DATABASE_URL": database, "REDIS_URL": redis, "HOMING_ENCRYPTION_KEYS": seal.NewKey("k1"),
	},
	"homing-retry": {
		"DATABASE_URL": database, "REDIS_URL": redis, "RABBITMQ_URL": "amqp://retry:secret@rabbitmq:5672/",
	},
	"homing-manage":  {"DATABASE_URL": database, "HOMING_ENCRYPTION_KEYS": seal.NewKey("k1")},
	"homing-migrate": {"DATABASE_URL": database},
}

const database, redis = "postgres://user:secret@postgres:5432/homing", "redis://redis:6379/0"

// environ is the environment of the container of a service, with what Knative and the Secrets put there.
func (e *environment) environ(t testing.TB, service string) map[string]string {
	t.Helper()
	pod := all[*servingv1.Service](t, e)[service].Spec.Template.Spec.PodSpec
	vars := map[string]string{
		"K_SERVICE": service, "PORT": strconv.Itoa(int(pod.Containers[0].Ports[0].ContainerPort)),
	}
	for _, from := range pod.Containers[0].EnvFrom {
		require.NotNil(t, from.ConfigMapRef, "%s: Secrets are named one variable at a time", service)
		settings := all[*corev1.ConfigMap](t, e)[from.ConfigMapRef.Name]
		require.NotNil(t, settings, "%s: there is no ConfigMap %s", service, from.ConfigMapRef.Name)
		maps.Copy(vars, settings.Data)
	}
	for _, v := range pod.Containers[0].Env {
		require.NotContains(t, vars, v.Name, "%s: %s is set twice", service, v.Name)
		vars[v.Name] = v.Value
		if v.ValueFrom != nil {
			ref := v.ValueFrom.SecretKeyRef
			require.Contains(t, secrets[ref.Name], ref.Key, "%s: %s is not in the contract of %s", service, ref.Key, ref.Name)
			vars[v.Name] = secrets[ref.Name][ref.Key]
		}
	}
	return vars
}

// config is what the function of a service makes of its environment: it refuses settings that nobody knows, and what
// does not fit together.
func (e *environment) config(t testing.TB, service string) *config.Config {
	t.Helper()
	var environ []string
	for name, value := range e.environ(t, service) {
		environ = append(environ, name+"="+value)
	}
	cfg, err := config.Load(services[service], environ)
	require.NoError(t, err, service)
	return cfg
}

// readByOpenTelemetry is a setting that is none of ours.
const readByOpenTelemetry = "OTEL_METRIC_EXPORT_INTERVAL"

// TestFunctionsPush: their metrics go to the Service that monitoring/ makes, where there is one, and to nobody in dev.
func TestFunctionsPush(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		for service := range services {
			endpoint, interval := e.config(t, service).Telemetry.OTLPEndpoint, e.environ(t, service)[readByOpenTelemetry]
			if e.name == "dev" {
				require.True(t, endpoint.IsZero(), service)
				continue
			}
			require.Equal(t, "http://homing-collector:4318", endpoint.Reveal(), service)
			require.Equal(t, "15000", interval, service)
		}
	})
}

// TestServicesAreTheFunctions: each has settings that its function accepts, and knows.
func TestServicesAreTheFunctions(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		require.ElementsMatch(t, slices.Collect(maps.Keys(services)),
			slices.Collect(maps.Keys(all[*servingv1.Service](t, e))))
		for service := range services {
			for name := range e.environ(t, service) {
				require.Contains(t, append(config.Variables(), readByOpenTelemetry), name, service)
			}
			cfg := e.config(t, service)
			require.Equal(t, config.ModeKnative, cfg.Mode(), service)
			require.Equal(t, config.BackendKnative, cfg.Bus(), service)
			require.Equal(t, "homing_"+string(services[service]), cfg.Services.DatabaseRole, service)
		}
		require.Equal(t, config.FacePublic, e.config(t, "ingest").Ingest.Face)
		require.Equal(t, config.FaceBroker, e.config(t, "ingest-broker").Ingest.Face)
	})
}

// TestSecretsAreNeverValues: a Secret is named, and neither written down nor there for a function that has no use for
// it.
func TestSecretsAreNeverValues(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		used := make(map[string]map[string]bool)
		for name, s := range all[*servingv1.Service](t, e) {
			for _, v := range s.Spec.Template.Spec.PodSpec.Containers[0].Env {
				secret := strings.HasSuffix(v.Name, "_URL") || strings.HasSuffix(v.Name, "_KEYS")
				require.Equal(t, secret, v.ValueFrom != nil, "%s: %s", name, v.Name)
				if secret {
					ref := v.ValueFrom.SecretKeyRef
					require.Equal(t, "homing-"+name, ref.Name, "each service has a Secret of its own")
					require.Nil(t, ref.Optional)
					if used[ref.Name] == nil {
						used[ref.Name] = make(map[string]bool)
					}
					used[ref.Name][ref.Key] = true
				}
			}
		}
		for secret, keys := range secrets {
			for key := range keys {
				require.True(t, used[secret][key] || secret == "homing-migrate", "nobody uses %s of %s", key, secret)
			}
		}
	})
}

// TestHintsGoToTheBroker: K_SINK is the address that the broker deliveries gets.
func TestHintsGoToTheBroker(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		sink, err := url.Parse(e.environ(t, "ingest")["K_SINK"])
		require.NoError(t, err)
		name, domain, _ := strings.Cut(sink.Host, ".")
		require.Equal(t, "homing.svc.cluster.local", domain)
		require.Contains(t, all[*eventingv1.Broker](t, e), strings.TrimSuffix(name, "-broker-ingress"))
		require.Equal(t, "http://deliveries-broker-ingress.homing.svc.cluster.local", sink.String())
	})
}

// superusers are connections that Postgres keeps for them by default (superuser_reserved_connections).
const superusers = 3

// TestPoolsFitIntoPostgres: max-scale bounds a revision, and while one replaces another both may be at it.
func TestPoolsFitIntoPostgres(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		const revisions = 2
		connections := superusers + 1 // the migration
		for name, s := range all[*servingv1.Service](t, e) {
			scale, err := strconv.Atoi(s.Spec.Template.Annotations["autoscaling.knative.dev/max-scale"])
			require.NoError(t, err)
			require.Positive(t, scale, "%s: 0 would be no bound", name)
			connections += revisions * scale * e.config(t, name).Services.DatabasePool
		}
		limit, err := strconv.Atoi(
			all[*corev1.Namespace](t, e)["homing"].Annotations["homing.io/postgres-max-connections"])
		require.NoError(t, err)
		require.LessOrEqual(t, connections, limit)
		t.Logf("%d of %d connections", connections, limit)
	})
}

// drain is for how long Knative's drain must have seen no request before a pod is told to end
// (knative.dev/pkg/network.DefaultDrainTimeout).
const drain = 30 * time.Second

// TestGraceCoversTheEnd: timeoutSeconds is also the time between Kubernetes' wish that a pod ends and its SIGKILL.
func TestGraceCoversTheEnd(t *testing.T) {
	each(t, func(t *testing.T, e *environment) {
		for name, s := range all[*servingv1.Service](t, e) {
			cfg := e.config(t, name)
			longest := map[string]time.Duration{
				"ingest": 30 * time.Second, "manage": cfg.Policy.AttemptTimeout + 10*time.Second, "retry": 2 * cfg.Retry.Tick,
			}[name]
			for _, trigger := range all[*eventingv1.Trigger](t, e) {
				if trigger.Spec.Subscriber.Ref.Name == name {
					longest = max(longest, seconds(t, *trigger.Spec.Delivery.Timeout))
				}
			}
			require.NotZero(t, longest)
			grace := time.Duration(*s.Spec.Template.Spec.TimeoutSeconds) * time.Second
			require.GreaterOrEqual(t, grace, drain+longest+cfg.Server.ShutdownTimeout, name)
			require.LessOrEqual(t, grace, 600*time.Second, "more than Knative allows unless it is told")
		}
	})
}

// seconds reads an ISO 8601 duration of seconds.
func seconds(t testing.TB, iso string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(iso, "PT")))
	require.NoError(t, err)
	return d
}
