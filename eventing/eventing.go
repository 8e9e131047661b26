// Package eventing holds the edges between the functions, brokers, triggers and the tick, as the YAML that Knative
// takes, one file each, and reads the triggers from it.
//
// It owns which events go to which function. It promises that every mode subscribes by the same files: a trigger that
// is changed here is changed in one process, over AMQP, and on Knative. It never talks to a cluster or a broker.
package eventing

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// Trigger is one edge from a broker to a function.
type Trigger struct {
	// Name is the trigger's, and that of its file.
	Name string
	// Broker is the broker's name: bus.BrokerEvents or bus.BrokerDeliveries.
	Broker string
	// Filter is the exact values of attributes that an event must have; none means every event.
	Filter map[string]string
	// Subscriber is the function that the events go to: ingest, deliver or retry.
	Subscriber string
	// Parallelism is how many events are handed over at once.
	Parallelism int
}

// functions maps the Knative services that triggers name to the functions that they are.
var functions = map[string]string{"ingest-broker": "ingest", "deliver": "deliver", "retry": "retry"}

// parallelism is the annotation that the RabbitMQ broker reads; its limit is 1000.
const parallelism, maxParallelism = "rabbitmq.eventing.knative.dev/parallelism", 1000

// partition is the attribute of hints that names their partition.
const partition = "partition"

// manifest is as much of a manifest as is read here; the rest is for the cluster.
type manifest struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Broker string `json:"broker"`
		Filter struct {
			Attributes map[string]string `json:"attributes"`
		} `json:"filter"`
		Subscriber struct {
			Ref struct {
				Name string `json:"name"`
			} `json:"ref"`
		} `json:"subscriber"`
	} `json:"spec"`
}

// Triggers reads the triggers, in the order of their files' names. There is a file for partition 0 only: those of the
// other partitions are made from it. Errors: a file that is not as it must be, which the tests of this package rule out
// for those that are built in.
func Triggers(partitions int) ([]Trigger, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("eventing: %w", err)
	}
	var triggers []Trigger
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("eventing: %w", err)
		}
		var m manifest
		if err := yaml.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("eventing: %s: %w", name, err)
		}
		if m.Kind != "Trigger" {
			continue
		}
		t, err := m.trigger()
		if err != nil {
			return nil, fmt.Errorf("eventing: %s: %w", name, err)
		}
		triggers = append(triggers, t)
		for p := 1; p < partitions && t.partitioned(); p++ {
			triggers = append(triggers, t.of(p))
		}
	}
	return triggers, nil
}

// firstPartition ends the name of a trigger that takes one partition only, the first.
const firstPartition = "-0"

func (t *Trigger) partitioned() bool { return t.Filter[partition] == "0" }

// of returns the trigger that takes another partition than the first.
func (t *Trigger) of(number int) Trigger {
	other := *t
	other.Name = strings.TrimSuffix(t.Name, firstPartition) + "-" + strconv.Itoa(number)
	other.Filter = maps.Clone(t.Filter)
	other.Filter[partition] = strconv.Itoa(number)
	return other
}

func (m *manifest) trigger() (Trigger, error) {
	t := Trigger{
		Name: m.Metadata.Name, Broker: m.Spec.Broker, Filter: m.Spec.Filter.Attributes,
		Subscriber: functions[m.Spec.Subscriber.Ref.Name],
	}
	if t.Subscriber == "" {
		return t, fmt.Errorf("the subscriber %q is none of our services", m.Spec.Subscriber.Ref.Name)
	}
	var err error
	t.Parallelism, err = strconv.Atoi(m.Metadata.Annotations[parallelism])
	if err != nil || t.Parallelism < 1 || t.Parallelism > maxParallelism {
		return t, fmt.Errorf("the annotation %s must be 1 to %d", parallelism, maxParallelism)
	}
	return t, nil
}
