// Command manifest prints manifests of an environment, after it has checked all of them as the cluster would; see the
// package manifest. hack/deploy.sh gives what it prints to kn and kubectl.
//
//	manifest -overlay DIRECTORY -service NAME [-image IMAGE]   one Knative service
//	manifest -overlay DIRECTORY -job NAME [-image IMAGE]       one Job
//	manifest -overlay DIRECTORY -deployment NAME [-image IMAGE]  one Deployment
//	manifest -overlay DIRECTORY -rest                          everything else
//	manifest -overlay DIRECTORY -services                      the names of the services, one a line
//	manifest -overlay DIRECTORY -ready                         what else says whether it is ready, as kubectl names it
//	manifest -check                                            what comes on stdin: exactly one document, valid
//
// It exits with 1, and prints nothing to stdout, when anything is wrong with any of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"

	"github.com/homing-hooks/homing/test/knative/manifest"
)

// request is what the command line asks for.
type request struct {
	overlay, service, job, deployment, image string
	rest, services, ready, check             bool
}

func main() {
	var r request
	flag.StringVar(&r.overlay, "overlay", "", "the directory of the environment's overlay")
	flag.StringVar(&r.service, "service", "", "print this service")
	flag.StringVar(&r.job, "job", "", "print this Job")
	flag.StringVar(&r.deployment, "deployment", "", "print this Deployment")
	flag.StringVar(&r.image, "image", "", "put this image in the place of the one that ko would build")
	flag.BoolVar(&r.rest, "rest", false, "print all but services, Jobs and Deployments")
	flag.BoolVar(&r.services, "services", false, "print the names of the services")
	flag.BoolVar(&r.ready, "ready", false, "print the names of what else says whether it is ready")
	flag.BoolVar(&r.check, "check", false, "check the one document on stdin, and print it")
	flag.Parse()
	text, err := r.answer(context.Background(), os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(text)
}

func (r *request) answer(ctx context.Context, stdin io.Reader) (string, error) {
	if r.check {
		return single(ctx, stdin)
	}
	objects, err := manifest.Build(ctx, r.overlay)
	if err != nil {
		return "", err
	}
	switch {
	case r.service != "":
		return r.workload(objects, "Service", r.service)
	case r.job != "":
		return r.workload(objects, "Job", r.job)
	case r.deployment != "":
		return r.workload(objects, "Deployment", r.deployment)
	case r.rest:
		return rest(objects), nil
	case r.services:
		return names(objects, func(o *manifest.Object) string { return o.Name }, "serving.knative.dev"), nil
	case r.ready:
		return names(objects, (*manifest.Object).String, "eventing.knative.dev", "sources.knative.dev", "rabbitmq.com"), nil
	default:
		return "", errors.New("manifest: one of -service, -job, -deployment, -rest, -services, -ready and -check")
	}
}

// single takes the one document of stdin: kn would take the first of several, and not say so.
func single(ctx context.Context, stdin io.Reader) (string, error) {
	text, err := io.ReadAll(stdin)
	if err != nil {
		return "", fmt.Errorf("manifest: stdin: %w", err)
	}
	objects, err := manifest.Parse(ctx, text)
	if err != nil {
		return "", err
	}
	if len(objects) != 1 {
		return "", fmt.Errorf("manifest: stdin has %d documents, and not one", len(objects))
	}
	return string(objects[0].YAML), nil
}

// workload prints what has an image.
func (r *request) workload(objects []*manifest.Object, kind, name string) (string, error) {
	o, err := manifest.One(objects, kind, name)
	if err != nil {
		return "", err
	}
	if r.image != "" {
		if err := o.SetImage(r.image); err != nil {
			return "", err
		}
	}
	return string(o.YAML), nil
}

// hasImage says whether an object goes to the cluster by itself, with its image. A Service of Kubernetes has none.
func hasImage(o *manifest.Object) bool {
	switch o.Value.(type) {
	case *servingv1.Service, *batchv1.Job, *appsv1.Deployment:
		return true
	default:
		return false
	}
}

func rest(objects []*manifest.Object) string {
	var b strings.Builder
	for _, o := range objects {
		if !hasImage(o) {
			b.WriteString("---\n" + string(o.YAML))
		}
	}
	return b.String()
}

// names prints what is of some API groups. RabbitmqBrokerConfig is the only kind among them without conditions.
func names(objects []*manifest.Object, name func(*manifest.Object) string, groups ...string) string {
	var b strings.Builder
	for _, o := range objects {
		if slices.Contains(groups, o.Group()) && o.Kind != "RabbitmqBrokerConfig" {
			b.WriteString(name(o) + "\n")
		}
	}
	return b.String()
}
