package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"

	"sigs.k8s.io/yaml"
)

// prices are unit prices, with the day that they are assumed for.
type prices struct {
	Date          string             `json:"date"`
	Region        string             `json:"region"`
	Currency      string             `json:"currency"`
	HoursPerMonth float64            `json:"hours_per_month"`
	Hourly        map[string]float64 `json:"hourly"`
	Monthly       map[string]float64 `json:"monthly"`
}

func readPrices(path string) (*prices, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p prices
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		return nil, fmt.Errorf("infradoc: %s: %w", path, err)
	}
	return &p, nil
}

// What is the same in each environment: secrets (four logins to Postgres and its owner's, two of Redis, two of
// RabbitMQ, two of keys, two made by hand), vCPUs that a proxy is billed for (at least two), GiB of Prometheus and of
// logs.
const (
	secrets       = 13
	proxyVCPUs    = 2
	prometheusGiB = 50
	logsGiB       = 20
)

// nodes is how many nodes each group is reckoned with.
type nodes func(nodeGroup) float64

// line is one row of a bill: so many units at a price.
type line struct {
	what     string
	quantity float64
	unit     string // of prices
}

// bill returns what the environment consists of.
func bill(e *environment, count nodes) []line {
	zones := float64(len(e.Network.Zones))
	gateways, databases := 1.0, 1.0
	if e.Network.NATPerZone {
		gateways = zones
	}
	if e.Postgres.MultiAZ {
		databases = 2
	}
	lines := []line{{"control plane", 1, "eks-cluster"}}
	for _, name := range slices.Sorted(maps.Keys(e.NodeGroups)) {
		g := e.NodeGroups[name]
		disk := g.DiskGiB
		if disk == 0 {
			disk = 50 // the variable's default
		}
		lines = append(lines,
			line{"nodes " + name, count(g), g.InstanceTypes[0]},
			line{"their disks", count(g) * disk, "gp3-gib"},
		)
	}
	lines = append(lines,
		line{"RabbitMQ's volumes", 3 * e.RabbitMQ.StorageGiB, "gp3-gib"},
		line{"Prometheus' volumes", e.Replicas * prometheusGiB, "gp3-gib"},
		line{"Postgres, standby included", databases, e.Postgres.InstanceClass},
		line{"its storage, standby included", databases * e.Postgres.StorageGiB, "rds-gp3-gib"},
		line{"its backups in the other region", e.Postgres.StorageGiB, "rds-backup-gib"},
		line{"daily copies, here and there", 2 * (e.Postgres.StorageGiB + 3*e.RabbitMQ.StorageGiB), "backup-copy-gib"},
		line{"its proxy", proxyVCPUs, "proxy-vcpu"},
		line{"Redis", e.Redis.Nodes, e.Redis.NodeType},
		line{"NAT gateways", gateways, "nat-gateway"},
		line{"their addresses", gateways, "public-ipv4"},
		line{"endpoints of AWS services, by zones", float64(e.endpoints) * zones, "interface-endpoint-zone"},
		line{"load balancer", 1, "load-balancer"},
		line{"firewall", 1, "firewall"},
	)
	if len(e.ClientVPN) > 0 && string(e.ClientVPN) != "null" {
		lines = append(lines, line{"VPN", 1, "vpn-association"})
	}
	return append(lines,
		line{"keys", float64(e.keys), "kms-key"},
		line{"secrets", secrets, "secret"},
		line{"logs", logsGiB, "logs-gib"},
	)
}

// price returns the cost of one unit a month, and how it comes about. A unit without a price is an error: it would be
// reckoned as free.
func (p *prices) price(unit string) (float64, string, error) {
	if hourly, ok := p.Hourly[unit]; ok {
		return hourly * p.HoursPerMonth, fmt.Sprintf("%g × %g h", hourly, p.HoursPerMonth), nil
	}
	if monthly, ok := p.Monthly[unit]; ok {
		return monthly, fmt.Sprintf("%g", monthly), nil
	}
	return 0, "", fmt.Errorf("infradoc: prices.yaml has no price of %q", unit)
}

// total returns the sum of a bill.
func (p *prices) total(lines []line) (float64, error) {
	sum := 0.0
	for _, l := range lines {
		each, _, err := p.price(l.unit)
		if err != nil {
			return 0, err
		}
		sum += l.quantity * each
	}
	return sum, nil
}

var (
	atLeast nodes = func(g nodeGroup) float64 { return g.Min }
	atFirst nodes = func(g nodeGroup) float64 { return g.Desired }
	atMost  nodes = func(g nodeGroup) float64 { return g.Max }
)

func renderCosts(environments []*environment, p *prices) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, `# What it costs

<!-- Written by hack/infradoc from environment.auto.tfvars and terraform/prices.yaml. Not to be edited. -->

An estimate, a month (%g hours) in %s of %s, with the prices assumed on %s in
[terraform/prices.yaml](../terraform/prices.yaml): list prices, on demand, without tax. **Nobody has asked AWS for
them**; check them before deciding anything by this. What grows with use is not in it: traffic (NAT, between zones,
endpoints), requests of the load balancer and the firewall, logs beyond %d GiB, snapshots beyond the first, people
on the VPN.

| environment | as it starts | every group at its least | every group at its most |
|---|---|---|---|
`, p.HoursPerMonth, p.Currency, p.Region, p.Date, logsGiB)
	for _, e := range environments {
		fmt.Fprintf(&out, "| %s |", e.Name)
		for _, count := range []nodes{atFirst, atLeast, atMost} {
			sum, err := p.total(bill(e, count))
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&out, " %.0f |", sum)
		}
		out.WriteString("\n")
	}
	for _, e := range environments {
		if err := renderBill(&out, e, p); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// renderBill writes an environment's table: each row is how many, times what one costs.
func renderBill(out *bytes.Buffer, e *environment, p *prices) error {
	fmt.Fprintf(out, "\n## %s, as it starts\n\n", e.Name)
	out.WriteString("| what | how many | of | each a month | a month |\n|---|---:|---|---|---:|\n")
	lines := bill(e, atFirst)
	for _, l := range lines {
		each, how, err := p.price(l.unit)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "| %s | %g | %s | %s | %.2f |\n", l.what, l.quantity, l.unit, how, l.quantity*each)
	}
	sum, err := p.total(lines)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| **together** | | | | **%.2f** |\n", sum)
	return nil
}
