# Knative's data path, exactly. Pods are chosen by what Knative and the operators label them with: a list of label,
# operator and values. With the activator or the gateway in between the sender is lost, so a policy can only say that
# what arrives at a function came through one of them.

locals {
  activator  = { namespace = "knative-serving", pods = [["app", "In", ["activator"]]] }
  autoscaler = { namespace = "knative-serving", pods = [["app", "In", ["autoscaler"]]] }
  gateway    = { namespace = "knative-serving", pods = [["app", "In", ["3scale-kourier-gateway"]]] } # the operator puts it there
  pings      = { namespace = "knative-eventing", pods = [["eventing.knative.dev/source", "In", ["ping-source-controller"]]] }
  functions  = { namespace = "homing", pods = [["serving.knative.dev/service", "Exists", []]] }
  parkers    = { namespace = "homing", pods = [["serving.knative.dev/service", "In", ["ingest-broker", "retry"]]] }
  ingress    = { namespace = "homing", pods = [["eventing.knative.dev/brokerRole", "In", ["ingress"]]] }
  dispatch   = { namespace = "homing", pods = [["eventing.knative.dev/brokerRole", "In", ["dispatcher", "dispatcher-dlq"]]] }
  broker     = { namespace = "homing", pods = [["eventing.knative.dev/brokerRole", "Exists", []]] }
  rabbitmq   = { namespace = "homing", pods = [["app.kubernetes.io/component", "In", ["rabbitmq"]]] }
  operators  = { namespace = "rabbitmq-system", pods = [] }
  collector  = { namespace = "monitoring", pods = [["app.kubernetes.io/name", "In", ["opentelemetry-collector"]]] }

  queue_proxy = [8012, 8013, 8112] # HTTP/1, HTTP/2, TLS. Not 8080: there queue-proxy and its limits would be bypassed.

  flows = {
    activator-to-functions  = { from = local.activator, to = local.functions, ports = local.queue_proxy }
    gateway-to-functions    = { from = local.gateway, to = local.functions, ports = local.queue_proxy }
    autoscaler-to-functions = { from = local.autoscaler, to = local.functions, ports = [9090] } # how busy they are
    functions-to-ingress    = { from = local.functions, to = local.ingress, ports = [8080] }    # hints
    dispatch-to-ingress     = { from = local.dispatch, to = local.ingress, ports = [8080] }     # replies
    dispatch-to-gateway     = { from = local.dispatch, to = local.gateway, ports = [8081] }     # its face for the cluster
    pings-to-gateway        = { from = local.pings, to = local.gateway, ports = [8081] }        # ticks
    broker-to-rabbitmq      = { from = local.broker, to = local.rabbitmq, ports = [5671, 5672] }
    parkers-to-rabbitmq     = { from = local.parkers, to = local.rabbitmq, ports = [5671, 5672] }
    rabbitmq-to-rabbitmq    = { from = local.rabbitmq, to = local.rabbitmq, ports = [4369, 25672] }
    operators-to-rabbitmq   = { from = local.operators, to = local.rabbitmq, ports = [15671, 15672] }
    functions-to-collector  = { from = local.functions, to = local.collector, ports = [4317, 4318] }
    broker-to-collector     = { from = local.broker, to = local.collector, ports = [4317, 4318] }
    activator-to-collector  = { from = local.activator, to = local.collector, ports = [4317, 4318] }
  }
}

resource "kubernetes_network_policy_v1" "out" {
  for_each = local.flows
  metadata {
    name      = "${each.key}-out"
    namespace = kubernetes_namespace_v1.this[each.value.from.namespace].metadata[0].name
  }
  spec {
    policy_types = ["Egress"]
    pod_selector {
      dynamic "match_expressions" {
        for_each = each.value.from.pods
        content {
          key      = match_expressions.value[0]
          operator = match_expressions.value[1]
          values   = match_expressions.value[2]
        }
      }
    }
    egress {
      to {
        namespace_selector {
          match_labels = { "kubernetes.io/metadata.name" = each.value.to.namespace }
        }
        pod_selector {
          dynamic "match_expressions" {
            for_each = each.value.to.pods
            content {
              key      = match_expressions.value[0]
              operator = match_expressions.value[1]
              values   = match_expressions.value[2]
            }
          }
        }
      }
      dynamic "ports" {
        for_each = each.value.ports
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "in" {
  for_each = local.flows
  metadata {
    name      = "${each.key}-in"
    namespace = kubernetes_namespace_v1.this[each.value.to.namespace].metadata[0].name
  }
  spec {
    policy_types = ["Ingress"]
    pod_selector {
      dynamic "match_expressions" {
        for_each = each.value.to.pods
        content {
          key      = match_expressions.value[0]
          operator = match_expressions.value[1]
          values   = match_expressions.value[2]
        }
      }
    }
    ingress {
      from {
        namespace_selector {
          match_labels = { "kubernetes.io/metadata.name" = each.value.from.namespace }
        }
        pod_selector {
          dynamic "match_expressions" {
            for_each = each.value.from.pods
            content {
              key      = match_expressions.value[0]
              operator = match_expressions.value[1]
              values   = match_expressions.value[2]
            }
          }
        }
      }
      dynamic "ports" {
        for_each = each.value.ports
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

# The load balancer sends to the gateway's pods from the public subnets.
resource "kubernetes_network_policy_v1" "load_balancer" {
  metadata {
    name      = "load-balancer"
    namespace = kubernetes_namespace_v1.this[local.gateway.namespace].metadata[0].name
  }
  spec {
    policy_types = ["Ingress"]
    pod_selector {
      match_labels = { app = "3scale-kourier-gateway" }
    }
    ingress {
      dynamic "from" {
        for_each = var.vpc.public_cidrs
        content {
          ip_block {
            cidr = from.value
          }
        }
      }
      dynamic "ports" {
        for_each = [8443, 9000] # TLS; and whether Envoy is ready
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

# Producers inside the cluster: those in namespaces that say so.
resource "kubernetes_network_policy_v1" "producers" {
  metadata {
    name      = "producers"
    namespace = kubernetes_namespace_v1.this["homing"].metadata[0].name
  }
  spec {
    policy_types = ["Ingress"]
    pod_selector {
      match_labels = { "eventing.knative.dev/brokerRole" = "ingress", "eventing.knative.dev/broker" = "events" }
    }
    ingress {
      from {
        namespace_selector {
          match_labels = { "homing.io/producers" = "true" }
        }
      }
      ports {
        port     = "8080"
        protocol = "TCP"
      }
    }
  }
}

# Databases are addresses, not pods.
resource "kubernetes_network_policy_v1" "databases" {
  metadata {
    name      = "databases"
    namespace = kubernetes_namespace_v1.this["homing"].metadata[0].name
  }
  spec {
    policy_types = ["Egress"]
    pod_selector {
      match_expressions {
        key      = "app.kubernetes.io/name"
        operator = "In"
        values   = ["ingest", "ingest-broker", "deliver", "retry", "manage", "migrate"]
      }
    }
    egress {
      dynamic "to" {
        for_each = var.vpc.data_cidrs
        content {
          ip_block {
            cidr = to.value
          }
        }
      }
      dynamic "ports" {
        for_each = [5432, 6379]
        content {
          port     = tostring(ports.value)
          protocol = "TCP"
        }
      }
    }
  }
}

# RabbitMQ finds its members by the cluster's API.
resource "kubernetes_network_policy_v1" "rabbitmq_api" {
  metadata {
    name      = "rabbitmq-api"
    namespace = kubernetes_namespace_v1.this["homing"].metadata[0].name
  }
  spec {
    policy_types = ["Egress"]
    pod_selector {
      match_labels = { "app.kubernetes.io/component" = "rabbitmq" }
    }
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
