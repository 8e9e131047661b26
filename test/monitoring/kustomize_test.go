package monitoring

import (
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
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
	}, found)

	scraping := t.TempDir()
	rel, err := filepath.Rel(scraping, dir)
	require.NoError(t, err)
	require.NoError(t, disk.WriteFile(filepath.Join(scraping, "kustomization.yaml"),
		[]byte("resources: ["+rel+"]\ncomponents: ["+rel+"/components/scrape]\n")))
	require.Equal(t, 3, build(t, disk, scraping)["PodMonitor"])
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
			"Secret": &corev1.Secret{},
		}[o.GetKind()]
		require.NotNil(t, into, o.GetKind())
		require.NoError(t, yaml.UnmarshalStrict(text, into), "%s %s", o.GetKind(), o.GetName())
		found[o.GetKind()]++
	}
	return found
}
