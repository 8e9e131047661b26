// Package manifest builds the manifests of an environment as kustomize does, and checks each as the cluster would when
// it is applied: decoded into the API's own types, with its own defaults and its own validation.
//
// It owns which kinds Homing deploys: one that is not in kinds.go is refused. It promises that a field that no API type
// has is an error, where `kn` drops it without a word, and that what is checked is what is printed. It never talks to a
// cluster.
package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Object is one manifest.
type Object struct {
	// Kind and Name say what it is, with APIVersion and Namespace; Namespace is "" for what is in none.
	APIVersion, Kind, Namespace, Name string
	// YAML is its text, as it goes to the cluster.
	YAML []byte
	// Value is what it decodes to, with its defaults: a pointer to the API's type.
	Value any
}

// String names it as kubectl does, so that no two kinds are mixed up: kind.group/name.
func (o *Object) String() string {
	kind := strings.ToLower(o.Kind)
	if group := o.Group(); group != "" {
		kind += "." + group
	}
	return kind + "/" + o.Name
}

// Group is the API group; "" for the core of Kubernetes.
func (o *Object) Group() string {
	group, _, found := strings.Cut(o.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}

// Build returns the manifests of a directory with a kustomization, checked. Errors: what kustomize says, and all that
// Check finds in any of them.
func Build(ctx context.Context, directory string) ([]*Object, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return nil, fmt.Errorf("manifest: kustomize: %w", err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		return nil, fmt.Errorf("manifest: kustomize: %w", err)
	}
	return Parse(ctx, text)
}

// Parse returns the manifests of a text with any number of documents, checked. Errors: one for each that is wrong.
func Parse(ctx context.Context, text []byte) ([]*Object, error) {
	reader := utilyaml.NewYAMLReader(newReader(text))
	var objects []*Object
	var problems []error
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, errors.Join(problems...)
		}
		if err != nil {
			return nil, fmt.Errorf("manifest: read: %w", err)
		}
		if len(bytes.TrimSpace(withoutComments(document))) == 0 {
			continue
		}
		o, err := check(ctx, document)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		objects = append(objects, o)
	}
}

func withoutComments(document []byte) []byte {
	var kept [][]byte
	for line := range bytes.Lines(document) {
		if trimmed := bytes.TrimSpace(line); !bytes.HasPrefix(trimmed, []byte("#")) && string(trimmed) != "---" {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, nil)
}

// head is what every manifest has.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// check decodes one document and has its type judge it.
func check(ctx context.Context, document []byte) (*Object, error) {
	text, err := yaml.YAMLToJSONStrict(document) // a key twice is an error
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var h head
	if err := kjson.UnmarshalCaseSensitivePreserveInts(text, &h); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	o := &Object{
		APIVersion: h.APIVersion, Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, YAML: document,
	}
	kind, ok := kinds[o.APIVersion+" "+o.Kind]
	if !ok {
		return nil, fmt.Errorf("manifest: %s: %s %s is no kind that is deployed here", o, o.APIVersion, o.Kind)
	}
	if err := o.place(kind); err != nil {
		return nil, fmt.Errorf("manifest: %s: %w", o, err)
	}
	o.Value = kind.make()
	// ko turns these into references to images, which is what validation wants to see.
	text = bytes.ReplaceAll(text, []byte(koScheme), []byte("ko.local/"))
	strict, err := kjson.UnmarshalStrict(text, o.Value)
	if err = errors.Join(append(strict, err)...); err != nil {
		return nil, fmt.Errorf("manifest: %s: %w", o, err)
	}
	if err := judge(ctx, o.Value); err != nil {
		return nil, fmt.Errorf("manifest: %s: %w", o, err)
	}
	return o, nil
}

// koScheme is what images that ko is to build begin with.
const koScheme = "ko://"

// Namespace is where everything of Homing's is.
const Namespace = "homing"

// place checks where the object would go: without a namespace, kubectl would take that of the current context.
func (o *Object) place(k kind) error {
	switch {
	case o.Name == "":
		return errors.New("it has no name")
	case k.cluster && o.Namespace != "":
		return errors.New("it belongs to no namespace")
	case !k.cluster && o.Namespace != Namespace:
		return fmt.Errorf("its namespace is %q, and not %q", o.Namespace, Namespace)
	}
	return nil
}

// One returns the only object of a kind with a name. Errors: there is none, or more than one.
func One(objects []*Object, kind, name string) (*Object, error) {
	var found *Object
	for _, o := range objects {
		if o.Kind != kind || o.Name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("manifest: there are two of %s", o)
		}
		found = o
	}
	if found == nil {
		return nil, fmt.Errorf("manifest: there is no %s/%s", kind, name)
	}
	return found, nil
}

// SetImage puts an image in the place of the one that ko would build.
func (o *Object) SetImage(image string) error {
	var lines []string
	found := 0
	for line := range strings.Lines(string(o.YAML)) {
		if before, _, ok := strings.Cut(line, koScheme); ok && strings.HasSuffix(before, "image: ") {
			line = before + image + "\n"
			found++
		}
		lines = append(lines, line)
	}
	if found != 1 {
		return fmt.Errorf("manifest: %s: %d images of %s, and not one", o, found, koScheme)
	}
	o.YAML = []byte(strings.Join(lines, ""))
	return nil
}
