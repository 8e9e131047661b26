package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/iac/rego"
	"github.com/aquasecurity/trivy/pkg/iac/scan"
	"github.com/aquasecurity/trivy/pkg/iac/scanners"
	"github.com/aquasecurity/trivy/pkg/iac/scanners/kubernetes"
	iacoptions "github.com/aquasecurity/trivy/pkg/iac/scanners/options"
	tfscanner "github.com/aquasecurity/trivy/pkg/iac/scanners/terraform"
	"gopkg.in/yaml.v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// checks are Trivy's own, which its module holds: nothing is fetched.
func checks() []iacoptions.ScannerOption {
	return []iacoptions.ScannerOption{rego.WithEmbeddedPolicies(true), rego.WithEmbeddedLibraries(true)}
}

// trivy scans a directory. What Trivy cannot read it only logs, and goes on; here that is an error.
func trivy(ctx context.Context, s scanners.FSScanner, root, dir string) ([]Finding, error) {
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
	results, err := s.ScanFS(ctx, os.DirFS(root), dir)
	if log.Len() > 0 {
		err = errors.Join(err, errors.New(log.String()))
	}
	if err != nil {
		return nil, fmt.Errorf("trivy: %w", err)
	}
	return failed(results), nil
}

// terraform scans every root (each environment, the organization) with the modules that it calls, by the values that it
// gives them.
func terraform(ctx context.Context, o options) ([]Finding, error) {
	roots, err := tfRoots(o.root)
	if err != nil {
		return nil, err
	}
	var out []Finding
	for _, root := range roots {
		scanner := tfscanner.New(append(checks(), tfscanner.ScannerWithDownloadsAllowed(false),
			tfscanner.ScannerWithStopOnHCLError(true))...)
		found, err := trivy(ctx, scanner, o.root, root)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", root, err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// tfRoots are the directories below terraform/ that Terraform is started in: all with code but the modules.
func tfRoots(root string) ([]string, error) {
	var out []string
	for _, pattern := range []string{"terraform/*/*.tf", "terraform/environments/*/*.tf"} {
		files, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			out = append(out, path.Dir(file))
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no Terraform below terraform/")
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// manifests scans every object that kustomize makes of the overlays and of monitoring.
func manifests(ctx context.Context, o options) ([]Finding, error) {
	dir, err := os.MkdirTemp("", "security-manifests-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sources, err := filepath.Glob(filepath.Join(o.root, "knative", "overlays", "*"))
	if err != nil || len(sources) == 0 {
		return nil, fmt.Errorf("no overlays in knative: %w", err)
	}
	for _, source := range append(sources, filepath.Join(o.root, "monitoring")) {
		if _, err := os.Stat(filepath.Join(source, "kustomization.yaml")); err != nil {
			continue
		}
		if err := render(source, filepath.Join(dir, filepath.Base(source))); err != nil {
			return nil, err
		}
	}
	return trivy(ctx, kubernetes.NewScanner(checks()...), dir, ".")
}

// render writes each object of a kustomization into a file of its own, which names it in findings.
func render(source, dir string) error {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), source)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(source), err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, object := range objects.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			return err
		}
		if text, err = plain(text); err != nil {
			return err
		}
		name := object.GetKind() + "-" + object.GetName()
		if n := object.GetNamespace(); n != "" && n != "homing" {
			name = object.GetKind() + "-" + n + "-" + object.GetName()
		}
		if err := os.WriteFile(filepath.Join(dir, strings.ToLower(name)+".yaml"), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// plain turns a Knative service into the Deployment that Knative makes of it: scanners do not know Knative's kinds, and
// would take every one of them for harmless.
func plain(text []byte) ([]byte, error) {
	var object map[string]any
	if err := yaml.Unmarshal(text, &object); err != nil {
		return nil, err
	}
	if version, _ := object["apiVersion"].(string); object["kind"] != "Service" || path.Dir(version) != "serving.knative.dev" {
		return text, nil
	}
	object["apiVersion"], object["kind"] = "apps/v1", "Deployment"
	nameContainers(object)
	return yaml.Marshal(object)
}

// nameContainers names those that have no name, as Knative does: Trivy's checks do not see a container without one.
func nameContainers(object map[string]any) {
	spec, _ := object["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	containers, _ := pod["containers"].([]any)
	for _, c := range containers {
		if container, ok := c.(map[string]any); ok && container["name"] == nil {
			container["name"] = "user-container"
		}
	}
}

// failed are the findings among the results.
func failed(results scan.Results) []Finding {
	var out []Finding
	for _, r := range results.GetFailed() {
		where := r.Range().GetFilename()
		metadata := r.Metadata()
		if resource := metadata.Reference(); resource != "" {
			where += ":" + resource
		}
		out = append(out, Finding{r.Rule().ID, where, severity(string(r.Severity())), r.Description()})
	}
	return out
}
