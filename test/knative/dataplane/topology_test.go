package dataplane_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"knative.dev/eventing-rabbitmq/pkg/apis/eventing/v1alpha1"
	"knative.dev/eventing-rabbitmq/pkg/rabbit"
	naming "knative.dev/eventing-rabbitmq/pkg/rabbitmqnaming"
	brokerresources "knative.dev/eventing-rabbitmq/pkg/reconciler/broker/resources"
	triggerresources "knative.dev/eventing-rabbitmq/pkg/reconciler/trigger/resources"
	rabbitv1beta1 "knative.dev/eventing-rabbitmq/third_party/pkg/apis/rabbitmq.com/v1beta1"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	"knative.dev/pkg/apis"
	duckv1 "knative.dev/pkg/apis/duck/v1"
	"sigs.k8s.io/yaml"

	"github.com/homing-hooks/homing/test/homingtest"
)

// manifests is what eventing/ asks of the broker's controller.
type manifests struct {
	queueType v1alpha1.QueueType
	brokers   map[string]*eventingv1.Broker
	triggers  []*eventingv1.Trigger
	// Where events are parked.
	queues      []*rabbitv1beta1.Queue
	exchanges   []*rabbitv1beta1.Exchange
	bindings    []*rabbitv1beta1.Binding
	permissions []*rabbitv1beta1.Permission
}

// readManifests reads the brokers and triggers of one partition. Their UIDs, which are a part of names in RabbitMQ, are
// made up, as the cluster does.
func readManifests(t testing.TB) manifests {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "eventing", "*.yaml"))
	require.NoError(t, err)
	m := manifests{brokers: make(map[string]*eventingv1.Broker)}
	for i, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		uid := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		switch kindOf(t, text) {
		case "Queue":
			m.queues = append(m.queues, decode[rabbitv1beta1.Queue](t, text))
		case "Exchange":
			m.exchanges = append(m.exchanges, decode[rabbitv1beta1.Exchange](t, text))
		case "Binding":
			m.bindings = append(m.bindings, decode[rabbitv1beta1.Binding](t, text))
		case "Permission":
			m.permissions = append(m.permissions, decode[rabbitv1beta1.Permission](t, text))
		case "RabbitmqBrokerConfig":
			m.queueType = decode[v1alpha1.RabbitmqBrokerConfig](t, text).Spec.QueueType
		case "Broker":
			b := decode[eventingv1.Broker](t, text)
			b.UID = uid
			m.brokers[b.Name] = b
		case "Trigger":
			tr := decode[eventingv1.Trigger](t, text)
			tr.UID = uid
			m.triggers = append(m.triggers, tr)
		}
	}
	require.Len(t, m.brokers, 2)
	require.NotEmpty(t, m.triggers)
	return m
}

func decode[T any](t testing.TB, text []byte) *T {
	t.Helper()
	object := new(T)
	require.NoError(t, yaml.UnmarshalStrict(text, object), "%s", text)
	return object
}

func kindOf(t testing.TB, text []byte) string {
	t.Helper()
	var m struct {
		Kind string `json:"kind"`
	}
	require.NoError(t, yaml.Unmarshal(text, &m))
	return m.Kind
}

// Names in RabbitMQ, as the controller makes them.
func (m *manifests) queueOf(tr *eventingv1.Trigger) string {
	return naming.CreateTriggerQueueRabbitName(tr, string(m.brokers[tr.Spec.Broker].UID))
}

func deadLettersOf(tr *eventingv1.Trigger) (exchange, queue string) {
	return naming.TriggerDLXExchangeName(tr), naming.CreateTriggerDeadLetterQueueName(tr)
}

// topology declares in RabbitMQ what the controller has the topology operator declare.
type topology struct {
	t          testing.TB
	channel    *amqp091.Channel
	management string // base URL of the management API
	vhost      string
}

func (m *manifests) declare(t testing.TB, rabbitMQ, management string) {
	t.Helper()
	conn, err := amqp091.Dial(rabbitMQ)
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	d := topology{t, channel, management, vhostOf(t, rabbitMQ)}
	cluster := new(rabbitv1beta1.RabbitmqClusterReference)
	for _, b := range m.brokers {
		d.exchange(rabbit.NewExchange(&rabbit.ExchangeArgs{
			Name: naming.BrokerExchangeName(b, false), Broker: b, RabbitmqClusterReference: cluster,
		}))
	}
	for _, tr := range m.triggers {
		d.trigger(tr, m.brokers[tr.Spec.Broker], rabbit.QueueArgs{
			Name: naming.CreateTriggerQueueName(tr), QueueName: m.queueOf(tr), QueueType: m.queueType,
			RabbitmqClusterReference: cluster,
		})
	}
	d.parking(m)
}

// parking declares where events are parked.
func (d *topology) parking(m *manifests) {
	d.t.Helper()
	for _, q := range m.queues {
		d.queue(q)
	}
	for _, e := range m.exchanges {
		d.exchange(e)
	}
	for _, b := range m.bindings {
		require.NoError(d.t, d.channel.QueueBind(b.Spec.Destination, b.Spec.RoutingKey, b.Spec.Source, false, nil))
	}
}

// admit makes the users of RabbitMQ that functions are. Their names belong to the whole server, so each plane has its
// own.
func (p *plane) admit() {
	p.T.Helper()
	for _, permission := range p.permissions {
		u, err := url.Parse(p.rabbitMQ)
		require.NoError(p.T, err)
		u.User = url.UserPassword("homing-test-"+rand.Text(), rand.Text())
		p.users[permission.Spec.UserReference.Name] = u.String()
		p.T.Cleanup(func() { manage(p.T, http.MethodDelete, p.managed("users", u.User.Username()), nil, nil) })
	}
	p.grant()
}

// grant gives the users the permissions of the manifests, and makes those that are not there.
func (p *plane) grant() {
	p.T.Helper()
	for _, permission := range p.permissions {
		u, err := url.Parse(p.users[permission.Spec.UserReference.Name])
		require.NoError(p.T, err)
		password, _ := u.User.Password()
		user := map[string]string{"password": password, "tags": ""}
		manage(p.T, http.MethodPut, p.managed("users", u.User.Username()), user, nil)
		of := vhostOf(p.T, p.rabbitMQ) + "/" + url.PathEscape(u.User.Username())
		manage(p.T, http.MethodPut, p.management+"/api/permissions/"+of, permission.Spec.Permissions, nil)
	}
}

// managed is the address of an object in RabbitMQ's management API.
func (p *plane) managed(kind, name string) string {
	return p.management + "/api/" + kind + "/" + url.PathEscape(name)
}

// trigger declares a trigger's queue and its dead letters', as the controller's reconciler does.
func (d *topology) trigger(tr *eventingv1.Trigger, b *eventingv1.Broker, queue rabbit.QueueArgs) {
	d.t.Helper()
	d.queue(rabbit.NewQueue(&queue))
	d.binding(bindingOf(tr, b, queue.QueueName))
	if tr.Spec.Delivery == nil || tr.Spec.Delivery.DeadLetterSink == nil {
		return
	}
	exchange, dead := deadLettersOf(tr)
	d.exchange(rabbit.NewExchange(&rabbit.ExchangeArgs{
		Name: exchange, Trigger: tr, Broker: b, RabbitmqClusterReference: queue.RabbitmqClusterReference,
	}))
	d.queue(rabbit.NewQueue(&rabbit.QueueArgs{
		Name: dead, QueueType: queue.QueueType, RabbitmqClusterReference: queue.RabbitmqClusterReference,
	}))
	d.binding(rabbit.BindingArgs{
		Source: exchange, Destination: dead, RabbitmqClusterReference: queue.RabbitmqClusterReference,
	})
	queue.DLXName = &exchange
	d.policy(rabbit.NewPolicy(&queue))
}

func (d *topology) exchange(e *rabbitv1beta1.Exchange) {
	d.t.Helper()
	require.NoError(d.t, d.channel.ExchangeDeclare(e.Spec.Name, e.Spec.Type, e.Spec.Durable, e.Spec.AutoDelete, false,
		false, nil))
}

func (d *topology) queue(q *rabbitv1beta1.Queue) {
	d.t.Helper()
	_, err := d.channel.QueueDeclare(q.Spec.Name, q.Spec.Durable, q.Spec.AutoDelete, false, false,
		amqp091.Table{"x-queue-type": q.Spec.Type})
	require.NoError(d.t, err)
}

// bindingOf is what has a trigger's queue get what its filter lets through.
func bindingOf(tr *eventingv1.Trigger, b *eventingv1.Broker, queue string) rabbit.BindingArgs {
	filter := map[string]string{rabbit.BindingKey: tr.Name}
	if tr.Spec.Filter != nil {
		maps.Copy(filter, tr.Spec.Filter.Attributes)
	}
	return rabbit.BindingArgs{
		Source: naming.BrokerExchangeName(b, false), Destination: queue, Filters: filter,
		RabbitmqClusterReference: new(rabbitv1beta1.RabbitmqClusterReference),
	}
}

func (d *topology) binding(args rabbit.BindingArgs) {
	d.t.Helper()
	b, match := resolveBinding(d.t, args)
	require.NoError(d.t, d.channel.QueueBind(b.Destination, b.RoutingKey, b.Source, false, match))
}

func resolveBinding(t testing.TB, args rabbit.BindingArgs) (rabbitv1beta1.BindingSpec, amqp091.Table) {
	t.Helper()
	b, err := rabbit.NewBinding(&args)
	require.NoError(t, err)
	var match amqp091.Table
	require.NoError(t, json.Unmarshal(b.Spec.Arguments.Raw, &match))
	return b.Spec, match
}

func (d *topology) policy(p *rabbitv1beta1.Policy) {
	d.t.Helper()
	body := map[string]any{
		"pattern": p.Spec.Pattern, "priority": p.Spec.Priority, "apply-to": p.Spec.ApplyTo,
		"definition": json.RawMessage(p.Spec.Definition.Raw),
	}
	manage(d.t, http.MethodPut, d.management+"/api/policies/"+d.vhost+"/"+url.PathEscape(p.Spec.Name), body, nil)
}

// manage makes one call of RabbitMQ's management API.
func manage(t testing.TB, method, address string, body, answer any) {
	t.Helper()
	sent, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(context.Background(), method, address, bytes.NewReader(sent))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := homingtest.Client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Less(t, res.StatusCode, http.StatusMultipleChoices, "%s %s", method, req.URL.Path)
	if answer != nil {
		require.NoError(t, json.NewDecoder(res.Body).Decode(answer))
	}
}

// vhostOf is the virtual host of a URL, as a path of the management API has it.
func vhostOf(t testing.TB, rabbitMQ string) string {
	t.Helper()
	u, err := url.Parse(rabbitMQ)
	require.NoError(t, err)
	vhost := strings.TrimPrefix(u.Path, "/")
	if vhost == "" {
		vhost = "/"
	}
	return url.PathEscape(vhost)
}

// Environments, as the controller puts them into the Deployments; secrets are resolved as the kubelet does.

func ingressEnv(b *eventingv1.Broker, rabbitMQ string) []string {
	d := brokerresources.MakeIngressDeployment(&brokerresources.IngressArgs{Broker: b})
	return resolve(d.Spec.Template.Spec.Containers[0].Env, rabbitMQ)
}

// dispatcherEnv is that of a trigger's dispatcher, or of the one of its dead letters.
func (m *manifests) dispatcherEnv(tr *eventingv1.Trigger, dead bool, sink, ingress, rabbitMQ string) []string {
	exchange, queue := deadLettersOf(tr)
	args := &triggerresources.DispatcherArgs{
		Trigger: tr, Delivery: tr.Spec.Delivery, QueueName: m.queueOf(tr), DLXName: exchange, DLX: dead,
		BrokerIngressURL: urlOf(ingress), Subscriber: &duckv1.Addressable{URL: urlOf(sink)},
	}
	if dead {
		args.QueueName, args.DLXName = queue, ""
	}
	if tr.Spec.Delivery == nil || tr.Spec.Delivery.DeadLetterSink == nil {
		args.DLXName = ""
	}
	return resolve(triggerresources.MakeDispatcherDeployment(args).Spec.Template.Spec.Containers[0].Env, rabbitMQ)
}

func urlOf(address string) *apis.URL { return apis.HTTP(address) }

func resolve(vars []corev1.EnvVar, rabbitMQ string) []string {
	env := make([]string, 0, len(vars))
	for _, v := range vars {
		if v.ValueFrom != nil { // the broker's secret has one key
			v.Value = rabbitMQ
		}
		env = append(env, v.Name+"="+v.Value)
	}
	return env
}
