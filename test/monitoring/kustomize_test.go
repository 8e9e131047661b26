package monitoring

import (
	"path/filepath"
	"regexp"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// TestKustomization builds what `kubectl apply -k monitoring` would, with the component for scraping too, and holds each
// object to the types of its API: a field that does not exist is refused.
func TestKustomization(t *testing.T) {
	disk := filesys.MakeFsOnDisk()
	dir, err := filepath.Abs(filepath.Join(root, "monitoring"))
	require.NoError(t, err)
	found := build(t, disk, dir)
	require.Equal(t, map[string]int{
		"PrometheusRule": 1, "PodMonitor": 2, "Deployment": 1, "Service": 1, "ConfigMap": 2, "Secret": 1,
		"NetworkPolicy": 1,
	}, found)

	scraping := t.TempDir()
	rel, err := filepath.Rel(scraping, dir)
	require.NoError(t, err)
	require.NoError(t, disk.WriteFile(filepath.Join(scraping, "kustomization.yaml"),
		[]byte("resources: ["+rel+"]\ncomponents: ["+rel+"/components/scrape]\n")))
	require.Equal(t, 3, build(t, disk, scraping)["PodMonitor"])

	for _, environment := range []string{"staging", "prod"} {
		require.Equal(t, map[string]int{
			"Deployment": 1, "Service": 1, "ConfigMap": 1, "NetworkPolicy": 2, "DomainMapping": 1,
		}, build(t, disk, filepath.Join(dir, "probe", environment)), environment)
	}
}

// TestTheCollectorIsTheOneThatIsChecked: the image that runs has the version whose components validate the configuration.
func TestTheCollectorIsTheOneThatIsChecked(t *testing.T) {
	version := regexp.MustCompile(`go.opentelemetry.io/collector/otelcol v(\S+)`).
		FindStringSubmatch(read(t, "test/monitoring/collector/go.mod"))
	require.NotNil(t, version)
	require.Contains(t, read(t, "monitoring/kubernetes/collector.yaml"),
		"image: otel/opentelemetry-collector-contrib:"+version[1]+"\n")
}

// build returns how many objects of each kind a kustomization makes.
func build(t *testing.T, disk filesys.FileSystem, dir string) map[string]int {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, dir)
	require.NoError(t, err)
	found := make(map[string]int)
	for _, o := range objects.Resources() {
		text, err := o.AsYAML()
		require.NoError(t, err)
		into := map[string]any{
			"PrometheusRule": &monitoringv1.PrometheusRule{}, "PodMonitor": &monitoringv1.PodMonitor{},
			"Deployment": &appsv1.Deployment{}, "Service": &corev1.Service{}, "ConfigMap": &corev1.ConfigMap{},
			"Secret": &corev1.Secret{}, "NetworkPolicy": &networkingv1.NetworkPolicy{},
			"DomainMapping": &map[string]any{}, // test/knative/types has its type
		}[o.GetKind()]
		require.NotNil(t, into, o.GetKind())
		require.NoError(t, yaml.UnmarshalStrict(text, into), "%s %s", o.GetKind(), o.GetName())
		found[o.GetKind()]++
	}
	return found
}
