# Nothing talks to anything unless it is written here (or, for what the functions themselves call, in knative/base). The
# policies come in pairs from one list of flows: what lets the sender out also lets it in at the receiver.

locals {
  closed = setsubtract(keys(local.namespaces), ["tigera-operator"]) # its pod is on the node's network, beyond policies
}

resource "kubernetes_network_policy_v1" "default_deny" {
  for_each = local.closed
  metadata {
    name      = "default-deny"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Ingress", "Egress"]
  }
}

resource "kubernetes_network_policy_v1" "dns" {
  for_each = local.closed
  metadata {
    name      = "dns"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Egress"]
    egress {
      to {
        namespace_selector {
          match_labels = { "kubernetes.io/metadata.name" = "kube-system" }
        }
        pod_selector {
          match_labels = { "k8s-app" = "kube-dns" }
        }
      }
      dynamic "ports" {
        for_each = ["UDP", "TCP"]
        content {
          port     = "53"
          protocol = ports.value
        }
      }
    }
  }
}

# Controllers of one namespace are one program in parts.
resource "kubernetes_network_policy_v1" "within" {
  for_each = setsubtract(local.closed, ["homing"])
  metadata {
    name      = "within"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Ingress", "Egress"]
    ingress {
      from {
        pod_selector {}
      }
    }
    egress {
      to {
        pod_selector {}
      }
    }
  }
}

# The API, and the endpoints of AWS services, have addresses in the private subnets.
resource "kubernetes_network_policy_v1" "api" {
  for_each = toset([for name in local.closed : name if local.namespaces[name].api])
  metadata {
    name      = "api"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Egress"]
    egress {
      dynamic "to" {
        for_each = var.vpc.private_cidrs
        content {
          ip_block {
            cidr = to.value
          }
        }
      }
      ports {
        port     = "443"
        protocol = "TCP"
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "internet" {
  for_each = toset([for name in local.closed : name if local.namespaces[name].internet])
  metadata {
    name      = "internet"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Egress"]
    egress {
      to {
        ip_block {
          cidr   = "0.0.0.0/0"
          except = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]
        }
      }
      ports {
        port     = "443"
        protocol = "TCP"
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "webhooks" {
  for_each = toset([for name in local.closed : name if length(local.namespaces[name].webhooks) > 0])
  metadata {
    name      = "webhooks"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Ingress"]
    ingress {
      dynamic "from" {
        for_each = var.vpc.private_cidrs
        content {
          ip_block {
            cidr = from.value
          }
        }
      }
      dynamic "ports" {
        for_each = local.namespaces[each.key].webhooks
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

# Numbers, for Prometheus: Knative's and the broker's pods 9090, queue-proxy 9091, the functions 9464, RabbitMQ 15692.
resource "kubernetes_network_policy_v1" "metrics" {
  for_each = local.closed
  metadata {
    name      = "metrics"
    namespace = kubernetes_namespace_v1.this[each.key].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Ingress"]
    ingress {
      from {
        namespace_selector {
          match_labels = { "homing.io/monitoring" = "true" }
        }
      }
      dynamic "ports" {
        for_each = [8080, 9090, 9091, 9402, 9464, 9500, 15692]
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "scrape" {
  metadata {
    name      = "scrape"
    namespace = kubernetes_namespace_v1.this["monitoring"].metadata[0].name
  }
  spec {
    pod_selector {}
    policy_types = ["Egress"]
    egress {
      to {
        namespace_selector {}
      }
      dynamic "ports" {
        for_each = [8080, 9090, 9091, 9100, 9402, 9464, 9500, 10250, 15692]
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}
