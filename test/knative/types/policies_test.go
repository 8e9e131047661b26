package types_test

import (
	"maps"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// peer is a pod, or an address outside the cluster.
type peer struct {
	namespace        string // its name
	labels, nsLabels map[string]string
	address          string
}

func function(name string) peer {
	return peer{namespace: "homing", labels: map[string]string{"serving.knative.dev/service": name}, address: "10.244.0.9"}
}

func broker(name string) peer {
	return peer{namespace: "homing", address: "10.244.0.8", labels: map[string]string{
		"eventing.knative.dev/broker": name, "eventing.knative.dev/brokerRole": "ingress",
	}}
}

var (
	activator = peer{namespace: "knative-serving", address: "10.244.0.7"}
	gateway   = peer{namespace: "kourier-system", address: "10.244.0.6"}
	stranger  = peer{namespace: "default", address: "10.244.0.5"}
	producer  = peer{namespace: "shop", nsLabels: map[string]string{"homing.io/producers": "true"}, address: "10.244.0.4"}
	monitor   = peer{namespace: "ops", nsLabels: map[string]string{"homing.io/monitoring": "true"}, address: "10.244.0.3"}
	endpoint  = peer{address: "93.184.215.14"}
	metadata  = peer{address: "169.254.169.254"}
	databases = peer{address: "10.1.2.3"}
)

// TestPoliciesLetThroughWhatTheDesignSays asks the policies of prod as Kubernetes does: who is selected by none may do
// everything, who is selected by some may do what one of them allows.
func TestPoliciesLetThroughWhatTheDesignSays(t *testing.T) {
	t.Parallel()
	policies := all[*networkingv1.NetworkPolicy](t, build(t, "prod"))
	for name, c := range map[string]struct {
		from, to peer
		port     int32
		want     bool
	}{
		"the activator to a function":         {activator, function("deliver"), 8012, true},
		"the gateway to a function":           {gateway, function("ingest"), 8012, true},
		"the autoscaler to queue-proxy":       {activator, function("retry"), 9090, true},
		"around queue-proxy":                  {activator, function("deliver"), 8080, false},
		"a stranger to a function":            {stranger, function("ingest-broker"), 8012, false},
		"a producer past the broker":          {producer, function("ingest-broker"), 8012, false},
		"one function to another":             {function("manage"), function("ingest-broker"), 8012, false},
		"a producer to events":                {producer, broker("events"), 8080, true},
		"a stranger to events":                {stranger, broker("events"), 8080, false},
		"a producer to deliveries":            {producer, broker("deliveries"), 8080, false},
		"a function to deliveries":            {function("ingest"), broker("deliveries"), 8080, true},
		"a function to events":                {function("ingest"), broker("events"), 8080, false},
		"a monitor to metrics":                {monitor, function("deliver"), 9464, true},
		"a stranger to metrics":               {stranger, function("deliver"), 9464, false},
		"deliver to an endpoint":              {function("deliver"), endpoint, 443, true},
		"manage to an endpoint":               {function("manage"), endpoint, 443, true},
		"ingest to the internet":              {function("ingest"), endpoint, 443, false},
		"retry to the internet":               {function("retry"), endpoint, 443, false},
		"deliver to the cloud's metadata":     {function("deliver"), metadata, 80, false},
		"deliver to a neighbour":              {function("deliver"), stranger, 80, false},
		"deliver to Kubernetes' API":          {function("deliver"), peer{address: "10.96.0.1"}, 443, false},
		"a function to Postgres":              {function("retry"), databases, 5432, true},
		"a function to RabbitMQ's management": {function("retry"), databases, 15672, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, passes(t, policies, c.from, c.to, c.port))
		})
	}
}

// passes reports whether a connection by TCP is allowed at both of its ends.
func passes(t *testing.T, policies map[string]*networkingv1.NetworkPolicy, from, to peer, port int32) bool {
	t.Helper()
	out, outAllowed, in, inAllowed := false, false, false, false
	for _, p := range policies {
		for _, direction := range p.Spec.PolicyTypes {
			switch {
			case direction == networkingv1.PolicyTypeEgress && selects(t, &p.Spec.PodSelector, from):
				out = true
				for _, rule := range p.Spec.Egress {
					outAllowed = outAllowed || hasPort(rule.Ports, port) && isPeer(t, rule.To, to)
				}
			case direction == networkingv1.PolicyTypeIngress && selects(t, &p.Spec.PodSelector, to):
				in = true
				for _, rule := range p.Spec.Ingress {
					inAllowed = inAllowed || hasPort(rule.Ports, port) && isPeer(t, rule.From, from)
				}
			}
		}
	}
	return (!out || outAllowed) && (!in || inAllowed)
}

// selects reports whether a policy of our namespace is about a pod.
func selects(t *testing.T, selector *metav1.LabelSelector, p peer) bool {
	t.Helper()
	return p.namespace == "homing" && matches(t, selector, p.labels)
}

func matches(t *testing.T, selector *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return s.Matches(labels.Set(set))
}

func hasPort(ports []networkingv1.NetworkPolicyPort, port int32) bool {
	for _, p := range ports {
		if (p.Protocol == nil || *p.Protocol == corev1.ProtocolTCP) && (p.Port == nil || p.Port.IntVal == port) {
			return true
		}
	}
	return len(ports) == 0
}

func isPeer(t *testing.T, peers []networkingv1.NetworkPolicyPeer, p peer) bool {
	t.Helper()
	for i := range peers {
		if isOne(t, &peers[i], p) {
			return true
		}
	}
	return len(peers) == 0
}

func isOne(t *testing.T, by *networkingv1.NetworkPolicyPeer, p peer) bool {
	t.Helper()
	if by.IPBlock != nil {
		return inBlock(t, by.IPBlock, p.address)
	}
	if p.namespace == "" {
		return false
	}
	inNamespace := p.namespace == "homing"
	if by.NamespaceSelector != nil {
		set := map[string]string{"kubernetes.io/metadata.name": p.namespace}
		maps.Copy(set, p.nsLabels)
		inNamespace = matches(t, by.NamespaceSelector, set)
	}
	return inNamespace && (by.PodSelector == nil || matches(t, by.PodSelector, p.labels))
}

func inBlock(t *testing.T, block *networkingv1.IPBlock, address string) bool {
	t.Helper()
	ip, err := netip.ParseAddr(address)
	require.NoError(t, err)
	for _, except := range block.Except {
		if netip.MustParsePrefix(except).Contains(ip) {
			return false
		}
	}
	return netip.MustParsePrefix(block.CIDR).Contains(ip)
}
