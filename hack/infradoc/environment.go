package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// environment is an environment's settings, as far as they are written about.
type environment struct {
	Name         string `json:"environment"`
	Account      string `json:"account_id"`
	Domain       string `json:"domain"`
	Region       string `json:"region"`
	BackupRegion string `json:"backup_region"`
	Network      struct {
		CIDR       string   `json:"cidr"`
		Zones      []string `json:"zones"`
		NATPerZone bool     `json:"nat_per_zone"`
	} `json:"network"`
	ClientVPN  json.RawMessage      `json:"client_vpn"`
	NodeGroups map[string]nodeGroup `json:"node_groups"`
	Postgres   struct {
		InstanceClass  string  `json:"instance_class"`
		StorageGiB     float64 `json:"storage_gib"`
		MaxStorageGiB  float64 `json:"max_storage_gib"`
		MaxConnections float64 `json:"max_connections"`
		MultiAZ        bool    `json:"multi_az"`
		BackupDays     float64 `json:"backup_days"`
		Protected      bool    `json:"protected"`
	} `json:"postgres"`
	Redis struct {
		NodeType string  `json:"node_type"`
		Nodes    float64 `json:"nodes"`
	} `json:"redis"`
	RabbitMQ struct {
		StorageGiB     float64 `json:"storage_gib"`
		MemoryGiB      float64 `json:"memory_gib"`
		CPUs           float64 `json:"cpus"`
		ZonesSeparated bool    `json:"zones_separated"`
	} `json:"rabbitmq"`
	Replicas         float64 `json:"replicas"`
	LogRetentionDays float64 `json:"log_retention_days"`
	MonthlyUSD       float64 `json:"monthly_usd"`
	Events           float64 `json:"events_per_5_minutes"`
	Probes           bool    `json:"probes"`

	endpoints, keys int // counted in the code
}

// nodeGroup is one of the cluster's node groups: nodes at least, at first and at most.
type nodeGroup struct {
	InstanceTypes []string `json:"instance_types"`
	DiskGiB       float64  `json:"disk_gib"`
	Min           float64  `json:"min"`
	Desired       float64  `json:"desired"`
	Max           float64  `json:"max"`
}

// readEnvironment reads environment.auto.tfvars of the environment in dir, and counts what its modules have.
func readEnvironment(dir string) (*environment, error) {
	values, err := attributes(filepath.Join(dir, "environment.auto.tfvars"))
	if err != nil {
		return nil, err
	}
	text, err := ctyjson.Marshal(cty.ObjectVal(values), cty.DynamicPseudoType)
	if err != nil {
		return nil, fmt.Errorf("infradoc: %s: %w", dir, err)
	}
	var typed struct {
		Value *environment `json:"value"`
	}
	if err := json.Unmarshal(text, &typed); err != nil {
		return nil, fmt.Errorf("infradoc: %s: %w", dir, err)
	}
	return typed.Value, typed.Value.count(dir)
}

// count finds how many endpoints of AWS services and how many keys the environment's modules make.
func (e *environment) count(dir string) error {
	modules := filepath.Join(dir, "..", "..", "modules")
	body, err := parse(filepath.Join(modules, "network", "endpoints.tf"))
	if err != nil {
		return err
	}
	call, ok := local(body, "interface_endpoints").(*hclsyntax.FunctionCallExpr)
	if !ok {
		return errors.New("infradoc: the module network has no list of endpoints")
	}
	list, ok := call.Args[0].(*hclsyntax.TupleConsExpr)
	if !ok {
		return errors.New("infradoc: the module network's endpoints are no list")
	}
	e.endpoints = len(list.Exprs)
	called, err := calledModules(dir)
	if err != nil {
		return err
	}
	for _, name := range called {
		n, err := countResources(filepath.Join(modules, name), "aws_kms_key", "aws_kms_replica_key")
		if err != nil {
			return err
		}
		e.keys += n
	}
	return nil
}

// attributes returns the values of a file that has nothing but attributes without references.
func attributes(path string) (map[string]cty.Value, error) {
	body, err := parse(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]cty.Value, len(body.Attributes))
	for name, attribute := range body.Attributes {
		value, diagnostics := attribute.Expr.Value(nil)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		values[name] = value
	}
	return values, nil
}

// parse returns the body of a file in HCL's own syntax.
func parse(path string) (*hclsyntax.Body, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, diagnostics := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, fmt.Errorf("infradoc: %s: not in HCL's own syntax", path)
	}
	return body, nil
}
