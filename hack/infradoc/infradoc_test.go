package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// TestDocumentsAreCurrent fails when terraform/ has changed and the documents have not.
func TestDocumentsAreCurrent(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(root, true), "run `go run ./hack/infradoc`")
}

// TestCheckSaysThatADocumentIsStale changes sizes of a copy.
func TestCheckSaysThatADocumentIsStale(t *testing.T) {
	t.Parallel()
	copied := t.TempDir()
	for _, dir := range []string{"terraform", "knative"} {
		require.NoError(t, os.CopyFS(filepath.Join(copied, dir), os.DirFS(filepath.Join(root, dir))))
	}
	require.NoError(t, os.Mkdir(filepath.Join(copied, "docs"), 0o755))
	require.NoError(t, run(copied, false))
	require.NoError(t, run(copied, true))

	for file, change := range map[string][2]string{
		"terraform/environments/prod/environment.auto.tfvars": {"db.r5.large", "db.t4g.medium"},
		"knative/overlays/staging/kustomization.yaml":         {`value: "6"`, `value: "7"`},
	} {
		path := filepath.Join(copied, filepath.FromSlash(file))
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		changed := strings.Replace(string(text), change[0], change[1], 1)
		require.NotEqual(t, string(text), changed)
		require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
		require.ErrorIs(t, run(copied, true), errStale, file)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		require.NoError(t, run(copied, true))
	}
}

// TestBillAddsUp reckons a small environment by hand.
func TestBillAddsUp(t *testing.T) {
	t.Parallel()
	p := &prices{
		HoursPerMonth: 100,
		Hourly: map[string]float64{
			"eks-cluster": 1, "small": 2, "db": 3, "cache": 4, "nat-gateway": 5, "public-ipv4": 6,
			"interface-endpoint-zone": 7, "load-balancer": 8, "proxy-vcpu": 9, "vpn-association": 10,
		},
		Monthly: map[string]float64{
			"gp3-gib": 1, "rds-gp3-gib": 1, "rds-backup-gib": 1, "backup-copy-gib": 1, "kms-key": 1, "secret": 1, "firewall": 1,
			"logs-gib": 1,
		},
	}
	var e environment
	e.Network.Zones, e.Network.NATPerZone = []string{"a", "b"}, true
	e.NodeGroups = map[string]nodeGroup{"one": {InstanceTypes: []string{"small"}, DiskGiB: 10, Min: 1, Desired: 2, Max: 3}}
	e.Postgres.InstanceClass, e.Postgres.StorageGiB, e.Postgres.MultiAZ = "db", 20, true
	e.Redis.NodeType, e.Redis.Nodes = "cache", 2
	e.RabbitMQ.StorageGiB, e.Replicas, e.endpoints, e.keys = 10, 1, 3, 4

	hours := 1 + 2*2 + 2*3 + 2*9 + 2*4 + 2*5 + 2*6 + 3*2*7 + 8
	month := 2*10 + 3*10 + 50 + 2*20 + 20 + 2*(20+30) + 1 + 4 + secrets + logsGiB
	sum, err := p.total(bill(&e, atFirst))
	require.NoError(t, err)
	require.InDelta(t, 100*hours+month, sum, 0.001)

	more, err := p.total(bill(&e, atMost))
	require.NoError(t, err)
	require.InDelta(t, 100*2+10, more-sum, 0.001, "a third node and its disk")

	e.ClientVPN = []byte(`{"cidr": "10.0.0.0/22"}`)
	vpn, err := p.total(bill(&e, atFirst))
	require.NoError(t, err)
	require.InDelta(t, 100*10, vpn-sum, 0.001, "the VPN")
}

// TestAUnitWithoutPriceIsRefused, for it would be reckoned as free.
func TestAUnitWithoutPriceIsRefused(t *testing.T) {
	t.Parallel()
	e := environment{NodeGroups: map[string]nodeGroup{"one": {InstanceTypes: []string{"u7i.metal"}, Desired: 1}}}
	p := &prices{HoursPerMonth: 1, Hourly: map[string]float64{"eks-cluster": 1}, Monthly: map[string]float64{"gp3-gib": 1}}
	_, err := p.total(bill(&e, atFirst))
	require.ErrorContains(t, err, `no price of "u7i.metal"`)
}

// TestDiagramsShowWhatTheCodeSays takes one arrow of each.
func TestDiagramsShowWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	text, err := renderDiagrams(filepath.Join(root, "terraform"))
	require.NoError(t, err)
	for _, arrow := range []string{
		"network --> cluster", "proxy -->|5432| postgres", "activator -->|8012 8013 8112| functions",
	} {
		require.Contains(t, string(text), "  "+arrow+"\n")
	}
}
