package types_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/pkg/config"
	"github.com/homing-hooks/homing/test/knative/manifest"
)

// monitoring is what of monitoring/ stands beside the functions.
type monitoring struct {
	deployments map[string]*appsv1.Deployment
	settings    map[string]*corev1.ConfigMap
	policies    map[string]*networkingv1.NetworkPolicy
	domains     map[string]*servingv1beta1.DomainMapping
	services    map[string]*corev1.Service
}

// buildMonitoring builds what is said to be applied in an environment: the collector's part and the probes'.
func buildMonitoring(t *testing.T, name string) *monitoring {
	t.Helper()
	m := &monitoring{
		make(map[string]*appsv1.Deployment), make(map[string]*corev1.ConfigMap),
		make(map[string]*networkingv1.NetworkPolicy), make(map[string]*servingv1beta1.DomainMapping),
		make(map[string]*corev1.Service),
	}
	for _, dir := range []string{"../../../monitoring", "../../../monitoring/probe/" + name} {
		objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
		require.NoError(t, err)
		for _, o := range objects.Resources() {
			text, err := o.AsYAML()
			require.NoError(t, err)
			switch o.GetKind() {
			case "Deployment":
				decode(t, text, o.GetName(), m.deployments)
			case "ConfigMap":
				decode(t, text, o.GetName(), m.settings)
			case "NetworkPolicy":
				decode(t, text, o.GetName(), m.policies)
			case "DomainMapping":
				decode(t, text, o.GetName(), m.domains)
			case "Service":
				decode(t, text, o.GetName(), m.services)
			}
		}
	}
	return m
}

func decode[T any](t *testing.T, text []byte, name string, into map[string]*T) {
	t.Helper()
	into[name] = new(T)
	require.NoError(t, yaml.UnmarshalStrict(text, into[name]), name)
}

// TestProbesAreSetUp: the program takes its settings in each environment that has it, waits for its webhooks where its
// public name leads, and sends to the public faces. dev has none.
func TestProbesAreSetUp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"staging", "prod"} {
		_, err := manifest.Build(t.Context(), "../../../monitoring/probe/"+name)
		require.NoError(t, err, "what hack/deploy.sh applies")
		m := buildMonitoring(t, name)
		container := m.deployments["homing-probe"].Spec.Template.Spec.Containers[0]
		environ := []string{}
		for _, from := range container.EnvFrom {
			for name, value := range m.settings[from.ConfigMapRef.Name].Data {
				environ = append(environ, name+"="+value)
			}
		}
		for _, v := range container.Env {
			switch {
			case v.ValueFrom == nil:
				environ = append(environ, v.Name+"="+v.Value)
			case v.ValueFrom.SecretKeyRef.Optional == nil:
				environ = append(environ, v.Name+"=secret")
			}
		}
		cfg, err := config.Load(config.FunctionProbe, environ)
		require.NoError(t, err)
		host := cfg.Probe.Receiver.URL().Host
		require.Contains(t, m.domains, host)
		require.Equal(t, "homing-probe", m.domains[host].Spec.Ref.Name)
		if err := m.domains[host].Validate(t.Context()); err != nil {
			require.NoError(t, err)
		}
		// A DomainMapping leads to port 80, and Kourier to the number of its target: it does not know ports by name.
		require.EqualValues(t, 80, m.services["homing-probe"].Spec.Ports[0].Port)
		require.Equal(t, container.Ports[0].ContainerPort, m.services["homing-probe"].Spec.Ports[0].TargetPort.IntVal)
		for _, u := range []config.URL{cfg.Probe.Receiver, cfg.Probe.Ingest, cfg.Client.Server} {
			require.Equal(t, "https", u.URL().Scheme, "what deliver and the policies let through")
		}
	}
}

// TestProbesAndCollectorAreReached asks the policies of prod and its monitoring together.
func TestProbesAndCollectorAreReached(t *testing.T) {
	t.Parallel()
	policies := maps.Clone(all[*networkingv1.NetworkPolicy](t, build(t, "prod")))
	maps.Copy(policies, buildMonitoring(t, "prod").policies)
	named := func(name string) peer {
		return peer{namespace: "homing", labels: map[string]string{"app.kubernetes.io/name": name}, address: "10.244.0.2"}
	}
	probe, collector := named("homing-probe"), named("homing-collector")
	for name, c := range map[string]struct {
		from, to peer
		port     int32
		want     bool
	}{
		"a function to the collector":         {function("deliver"), collector, 4318, true},
		"the broker to the collector":         {broker("deliveries"), collector, 4318, true},
		"the probe to the collector":          {probe, collector, 4318, true},
		"a stranger to the collector":         {stranger, collector, 4318, false},
		"a monitor to the collector's own":    {monitor, collector, 8888, true},
		"a monitor to the probe's metrics":    {monitor, probe, 9464, true},
		"the gateway to the probe":            {gateway, probe, 8080, true},
		"the operator's gateway to the probe": {activator, probe, 8080, true}, // beside Knative Serving
		"a stranger to the probe":             {stranger, probe, 8080, false},
		"deliver to the probe, past the edge": {function("deliver"), probe, 8080, false},
		"the probe to the edge":               {probe, endpoint, 443, true},
		"the probe to events":                 {probe, broker("events"), 8080, true},
		"the probe to deliveries":             {probe, broker("deliveries"), 8080, false},
		"the probe past the broker":           {probe, function("ingest-broker"), 8012, false},
		"the probe to Postgres":               {probe, databases, 5432, false},
		"the probe to the cloud's metadata":   {probe, metadata, 443, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, passes(t, policies, c.from, c.to, c.port))
		})
	}
}
