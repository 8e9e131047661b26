mock_provider "kubernetes" {}

variables {
  vpc = {
    public_cidrs  = ["10.30.96.0/24", "10.30.97.0/24", "10.30.98.0/24"]
    private_cidrs = ["10.30.0.0/19", "10.30.32.0/19", "10.30.64.0/19"]
    data_cidrs    = ["10.30.112.0/24", "10.30.113.0/24", "10.30.114.0/24"]
  }
  volumes_kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/volumes"
  secrets_role_arns   = { ingest = "arn:i", deliver = "arn:d", retry = "arn:r", manage = "arn:m" }
}

run "every_namespace_is_closed" {
  assert {
    condition     = toset(keys(kubernetes_network_policy_v1.default_deny)) == setsubtract(keys(kubernetes_namespace_v1.this), ["tigera-operator"])
    error_message = "A namespace is open."
  }
  assert {
    condition = alltrue([for p in kubernetes_network_policy_v1.default_deny : toset(p.spec[0].policy_types) == toset(["Ingress", "Egress"])
    && length(p.spec[0].ingress) == 0 && length(p.spec[0].egress) == 0 && length(coalesce(p.spec[0].pod_selector[0].match_labels, {})) == 0])
    error_message = "default-deny must be for all pods, both ways, and allow nothing."
  }
  assert {
    condition     = contains(keys(kubernetes_network_policy_v1.default_deny), "homing") && !contains(keys(kubernetes_network_policy_v1.within), "homing")
    error_message = "In homing, not even neighbours talk unless it is written."
  }
}

run "pod_security" {
  assert {
    condition     = alltrue([for ns in kubernetes_namespace_v1.this : contains(["baseline", "restricted"], ns.metadata[0].labels["pod-security.kubernetes.io/enforce"]) || contains(["monitoring", "tigera-operator"], ns.metadata[0].name)])
    error_message = "Only what works on the node itself may be privileged."
  }
  assert {
    condition     = alltrue([for ns in kubernetes_namespace_v1.this : ns.metadata[0].labels["pod-security.kubernetes.io/warn"] == "restricted"])
    error_message = "What is not restricted must be warned of."
  }
}

run "the_data_path_of_knative" {
  assert {
    condition = alltrue([for name in ["activator-to-functions", "gateway-to-functions"] :
    toset(kubernetes_network_policy_v1.in[name].spec[0].ingress[0].ports[*].port) == toset(["8012", "8013", "8112"])])
    error_message = "Functions are reached through queue-proxy, at 8012, 8013 and 8112."
  }
  assert {
    condition     = kubernetes_network_policy_v1.in["autoscaler-to-functions"].spec[0].ingress[0].ports[*].port == tolist(["9090"])
    error_message = "The autoscaler reads 9090."
  }
  assert {
    condition = toset([for name, p in kubernetes_network_policy_v1.in : name if length(p.spec[0].pod_selector[0].match_expressions) > 0
    && p.spec[0].pod_selector[0].match_expressions[0].key == "serving.knative.dev/service"]) == toset(["activator-to-functions", "gateway-to-functions", "autoscaler-to-functions"])
    error_message = "Something else than activator, gateway and autoscaler reaches the functions."
  }
  assert {
    condition = !anytrue(flatten([for p in kubernetes_network_policy_v1.in : [for port in p.spec[0].ingress[0].ports : port.port == "8080"]
    if length(p.spec[0].pod_selector[0].match_expressions) > 0 && p.spec[0].pod_selector[0].match_expressions[0].key == "serving.knative.dev/service"]))
    error_message = "The user port is open: queue-proxy can be bypassed."
  }
  assert {
    condition = alltrue([for name in ["functions-to-ingress", "dispatch-to-ingress"] : (kubernetes_network_policy_v1.in[name].spec[0].ingress[0].ports[*].port == tolist(["8080"])
    && kubernetes_network_policy_v1.in[name].spec[0].ingress[0].from[0].namespace_selector[0].match_labels["kubernetes.io/metadata.name"] == "homing")])
    error_message = "The brokers' ingress is for the functions' namespace, at 8080."
  }
  assert {
    condition = alltrue([for p in values(kubernetes_network_policy_v1.in) : length(p.spec[0].ingress[0].from) == 1 && length(p.spec[0].ingress[0].from[0].ip_block) == 0
    && p.spec[0].ingress[0].from[0].namespace_selector[0].match_labels != null])
    error_message = "A flow is open to more than one namespace."
  }
}

run "flows_come_in_pairs" {
  assert {
    condition     = keys(kubernetes_network_policy_v1.in) == keys(kubernetes_network_policy_v1.out)
    error_message = "A flow is let out and not in, or in and not out."
  }
  assert {
    condition     = alltrue([for name, p in kubernetes_network_policy_v1.out : p.spec[0].egress[0].ports[*].port == kubernetes_network_policy_v1.in[name].spec[0].ingress[0].ports[*].port])
    error_message = "The two halves of a flow have different ports."
  }
}

run "nobody_reaches_private_addresses_by_the_way_to_the_internet" {
  assert {
    condition = alltrue([for p in kubernetes_network_policy_v1.internet : alltrue([for range in ["10.0.0.0/8", "169.254.0.0/16"] :
    contains(p.spec[0].egress[0].to[0].ip_block[0].except, range)])])
    error_message = "The way to the internet leads into the network, or to the nodes' credentials."
  }
  assert {
    condition     = !contains(keys(kubernetes_network_policy_v1.internet), "homing")
    error_message = "Only deliver and manage go out, which knative/base says; not all of homing."
  }
}

run "volumes" {
  assert {
    condition = (kubernetes_storage_class_v1.gp3.parameters["type"] == "gp3" && kubernetes_storage_class_v1.gp3.parameters["encrypted"] == "true"
    && kubernetes_storage_class_v1.gp3.parameters["kmsKeyId"] == var.volumes_kms_key_arn && kubernetes_storage_class_v1.gp3.reclaim_policy == "Retain")
    error_message = "Volumes must be gp3, encrypted by our key, and outlive their claim."
  }
  assert {
    condition     = kubernetes_storage_class_v1.gp3.metadata[0].annotations["storageclass.kubernetes.io/is-default-class"] == "true"
    error_message = "gp3 must be the default."
  }
  assert {
    condition     = kubernetes_storage_class_v1.gp3.parameters["tagSpecification_1"] == "homing:backup=daily"
    error_message = "The backup plan would not find the volumes."
  }
}

run "accounts_for_secrets" {
  assert {
    condition     = alltrue([for f, a in kubernetes_service_account_v1.secrets : a.metadata[0].annotations["eks.amazonaws.com/role-arn"] == var.secrets_role_arns[f] && !a.automount_service_account_token])
    error_message = "A function's secrets are fetched by another's role."
  }
}

run "refuses_everything_as_network" {
  command = plan
  variables {
    vpc = { public_cidrs = ["0.0.0.0/0"], private_cidrs = ["10.30.0.0/19"], data_cidrs = ["10.30.112.0/24"] }
  }
  expect_failures = [var.vpc]
}
