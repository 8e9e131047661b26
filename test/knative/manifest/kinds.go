package manifest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	rabbitv1alpha1 "knative.dev/eventing-rabbitmq/pkg/apis/eventing/v1alpha1"
	topologyv1beta1 "knative.dev/eventing-rabbitmq/third_party/pkg/apis/rabbitmq.com/v1beta1"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	"knative.dev/eventing/pkg/apis/feature"
	sourcesv1 "knative.dev/eventing/pkg/apis/sources/v1"
	"knative.dev/eventing/pkg/client/clientset/versioned/fake"
	"knative.dev/eventing/pkg/client/injection/client"
	"knative.dev/pkg/apis"
	servingv1 "knative.dev/serving/pkg/apis/serving/v1"
	servingv1beta1 "knative.dev/serving/pkg/apis/serving/v1beta1"
)

// kind is an API type that is deployed here.
type kind struct {
	make    func() any // a new value of it
	cluster bool       // it belongs to no namespace
}

// kinds are all that are deployed here, by apiVersion and kind.
var kinds = map[string]kind{
	"v1 Namespace":       {make: made[corev1.Namespace], cluster: true},
	"v1 ServiceAccount":  {make: made[corev1.ServiceAccount]},
	"v1 ConfigMap":       {make: made[corev1.ConfigMap]},
	"v1 Service":         {make: made[corev1.Service]},
	"apps/v1 Deployment": {make: made[appsv1.Deployment]},
	"batch/v1 Job":       {make: made[batchv1.Job]},

	"networking.k8s.io/v1 NetworkPolicy": {make: made[networkingv1.NetworkPolicy]},

	"serving.knative.dev/v1 Service":            {make: made[servingv1.Service]},
	"serving.knative.dev/v1beta1 DomainMapping": {make: made[servingv1beta1.DomainMapping]},

	"eventing.knative.dev/v1 Broker":    {make: made[eventingv1.Broker]},
	"eventing.knative.dev/v1 Trigger":   {make: made[eventingv1.Trigger]},
	"sources.knative.dev/v1 PingSource": {make: made[sourcesv1.PingSource]},

	"eventing.knative.dev/v1alpha1 RabbitmqBrokerConfig": {make: made[rabbitv1alpha1.RabbitmqBrokerConfig]},

	"rabbitmq.com/v1beta1 Queue":      {make: made[topologyv1beta1.Queue]},
	"rabbitmq.com/v1beta1 Exchange":   {make: made[topologyv1beta1.Exchange]},
	"rabbitmq.com/v1beta1 Binding":    {make: made[topologyv1beta1.Binding]},
	"rabbitmq.com/v1beta1 User":       {make: made[topologyv1beta1.User]},
	"rabbitmq.com/v1beta1 Permission": {make: made[topologyv1beta1.Permission]},
}

// made returns a new value of a type.
func made[T any]() any { return new(T) }

// judged is what Knative's webhooks call on their types.
type judged interface {
	apis.Defaultable
	apis.Validatable
}

// judge does what the webhooks do when an object is created: defaults, then validation. Types of Kubernetes and of the
// topology operator have none in Go; for them it is done with strict decoding.
func judge(ctx context.Context, value any) error {
	features, featureErr := feature.NewFlagsConfigFromMap(nil) // as they are where nobody has changed them
	if featureErr != nil {
		return fmt.Errorf("features: %w", featureErr)
	}
	ctx = feature.ToContext(apis.WithinCreate(ctx), features)
	var err *apis.FieldError
	if v, ok := value.(judged); ok {
		v.SetDefaults(ctx)
		err = v.Validate(ctx)
	}
	var own error
	switch v := value.(type) {
	case *eventingv1.Broker: // the RabbitMQ broker has a webhook of its own for brokers and triggers
		r := &rabbitv1alpha1.RabbitBroker{TypeMeta: v.TypeMeta, ObjectMeta: v.ObjectMeta, Spec: v.Spec}
		err = err.Also(r.Validate(ctx))
		own = ours(v.Annotations)
	case *eventingv1.Trigger:
		r := &rabbitv1alpha1.RabbitTrigger{TypeMeta: v.TypeMeta, ObjectMeta: v.ObjectMeta, Spec: v.Spec}
		err = err.Also(r.Validate(withBroker(ctx, v)))
		own = whole(v)
	}
	if err != nil { // a nil *FieldError is no nil error
		own = errors.Join(err, own)
	}
	return own
}

// ours refuses brokers of another class than the RabbitMQ broker's, which its webhook lets pass.
func ours(annotations map[string]string) error {
	if class := annotations[eventingv1.BrokerClassAnnotationKey]; class != rabbitv1alpha1.BrokerClass {
		return fmt.Errorf("its class is %q, and not %q", class, rabbitv1alpha1.BrokerClass)
	}
	return nil
}

// withBroker lets the webhook find the trigger's broker, which it asks the cluster for.
func withBroker(ctx context.Context, t *eventingv1.Trigger) context.Context {
	var broker runtime.Object = &eventingv1.Broker{ObjectMeta: metav1.ObjectMeta{
		Name: t.Spec.Broker, Namespace: t.Namespace,
		Annotations: map[string]string{eventingv1.BrokerClassAnnotationKey: rabbitv1alpha1.BrokerClass},
	}}
	return context.WithValue(ctx, client.Key{}, fake.NewSimpleClientset(broker))
}

// whole refuses triggers that are valid and yet lose events with the RabbitMQ broker: it ignores spec.filters, and
// takes a trigger's delivery in place of the broker's, not field by field.
func whole(t *eventingv1.Trigger) error {
	var problems []error
	that := func(ok bool, problem string) {
		if !ok {
			problems = append(problems, errors.New(problem))
		}
	}
	that(len(t.Spec.Filters) == 0, "the RabbitMQ broker ignores spec.filters, and hands over every event")
	d := t.Spec.Delivery
	if d == nil {
		return errors.Join(append(problems, errors.New("it has no delivery: what fails is lost"))...)
	}
	that(d.DeadLetterSink != nil, "delivery has no deadLetterSink: what fails is lost")
	that(d.Retry != nil && *d.Retry > 0, "delivery has no retry")
	that(d.BackoffPolicy != nil && d.BackoffDelay != nil, "delivery has no backoff")
	that(d.Timeout != nil, "delivery has no timeout: a subscriber that hangs holds the dispatcher")
	that(d.Format == nil && d.RetryAfterMax == nil, "the RabbitMQ broker ignores delivery.format and retryAfterMax")
	return errors.Join(problems...)
}

func newReader(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }
