package knative_test

// What the packages of this module are about to use, so that go.mod keeps it.
import (
	_ "github.com/stretchr/testify/require"
	_ "knative.dev/eventing-rabbitmq/pkg/apis/eventing/v1alpha1"
	_ "knative.dev/eventing/pkg/apis/eventing/v1"
	_ "knative.dev/eventing/pkg/apis/sources/v1"
	_ "knative.dev/pkg/apis"
	_ "knative.dev/serving/pkg/apis/serving/v1"
	_ "sigs.k8s.io/kustomize/api/krusty"

	_ "github.com/homing-hooks/homing/pkg/wire"
)
