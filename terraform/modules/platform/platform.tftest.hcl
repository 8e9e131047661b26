mock_provider "helm" {}
mock_provider "kubernetes" {}

variables {
  cluster_name        = "homing-test"
  region              = "eu-central-1"
  namespaces          = { homing = "homing" }
  autoscaler_role_arn = "arn:aws:iam::111122223333:role/autoscaler"
  storage_class       = "gp3"
  secret_prefix       = "homing/test"
  domain              = "test.homing.example"
  replicas            = 2
}

run "everything_is_there_and_pinned" {
  assert {
    condition = toset(concat(keys(helm_release.first), keys(helm_release.this))) == toset(["tigera-operator", "cluster-autoscaler", "cert-manager",
    "external-secrets", "rabbitmq-cluster-operator", "knative-operator", "kube-prometheus-stack"])
    error_message = "A part of the platform is missing."
  }
  assert {
    condition     = alltrue([for r in concat(values(helm_release.first), values(helm_release.this)) : can(regex("^v?[0-9]+\\.[0-9]+\\.[0-9]+$", r.version))])
    error_message = "A chart takes whatever is newest."
  }
}

run "knative" {
  assert {
    condition     = toset([for o in local.objects["knative"] : o.kind]) == toset(["KnativeServing", "KnativeEventing"])
    error_message = "Serving and Eventing must be there."
  }
  assert {
    condition     = alltrue([for o in local.objects["knative"] : o.spec.version == "1.21.0"])
    error_message = "Serving and Eventing must have one version."
  }
  assert {
    condition     = one([for o in local.objects["knative"] : o if o.kind == "KnativeEventing"]).spec.additionalManifests[0].URL == "https://github.com/knative-extensions/eventing-rabbitmq/releases/download/knative-v1.21.0/rabbitmq-broker.yaml"
    error_message = "The RabbitMQ broker must be of the same version."
  }
  assert {
    condition     = one([for o in local.objects["knative"] : o if o.kind == "KnativeServing"]).spec.ingress.kourier["service-type"] == "ClusterIP"
    error_message = "A load balancer beside the firewall would be a way around it."
  }
  assert {
    condition     = helm_release.this["knative-operator"].version == "v1.21.0"
    error_message = "The operator must know the version that it installs."
  }
}

run "calico_enforces_and_amazon_routes" {
  assert {
    condition = (yamldecode(helm_release.first["tigera-operator"].values[0]).installation.cni.type == "AmazonVPC"
    && yamldecode(helm_release.first["tigera-operator"].values[0]).installation.kubernetesProvider == "EKS")
    error_message = "Calico must leave addresses to Amazon's CNI."
  }
  assert {
    condition = alltrue([for o in local.objects["policies"] : toset(o.spec.types) == toset(["Ingress", "Egress"]) if o.metadata.name == "default-deny"]) && alltrue(flatten([
    for o in local.objects["policies"] : [for rule in o.spec.egress : jsonencode(rule.destination.ports) == "[53]"] if o.metadata.name == "default-deny"]))
    error_message = "A namespace that somebody makes later must be closed."
  }
  assert {
    condition     = toset([for o in local.objects["policies"] : o.metadata.name]) == toset(["default-deny", "no-metadata"])
    error_message = "A policy for the whole cluster is missing."
  }
  assert {
    condition = alltrue([for o in local.objects["policies"] : o.spec.order < 1000 && o.spec.egress[0].action == "Deny" && jsonencode(o.spec.egress[0].destination) == jsonencode({ nets = ["169.254.169.254/32"] })
    if o.metadata.name == "no-metadata"])
    error_message = "Pods must not ask for the node's credentials."
  }
}

run "each_function_fetches_its_own_secrets" {
  assert {
    condition     = toset([for o in local.objects["secrets"] : o.metadata.name if o.kind == "SecretStore"]) == toset(["ingest", "deliver", "retry", "manage"])
    error_message = "Each function needs a store of its own."
  }
  assert {
    condition     = alltrue([for o in local.objects["secrets"] : o.spec.provider.aws.auth.jwt.serviceAccountRef.name == "secrets-${o.metadata.name}" if o.kind == "SecretStore"])
    error_message = "A store must use its function's role."
  }
  assert {
    condition = alltrue(flatten([for o in local.objects["secrets"] : [for d in o.spec.data : startswith(d.remoteRef.key, "homing/test/${o.spec.secretStoreRef.name}/")]
    if o.kind == "ExternalSecret"]))
    error_message = "A function's secrets come from below another's name, where its role may not read."
  }
  assert {
    condition     = yamldecode(helm_release.this["external-secrets"].values[0]).processClusterStore == false
    error_message = "A store for all namespaces would have the rights of all functions."
  }
}

run "the_autoscaler_has_its_role" {
  assert {
    condition     = yamldecode(helm_release.this["cluster-autoscaler"].values[0]).rbac.serviceAccount.annotations["eks.amazonaws.com/role-arn"] == var.autoscaler_role_arn
    error_message = "The cluster-autoscaler cannot scale without its role."
  }
}

run "refuses_a_floating_chart" {
  command = plan
  variables {
    charts = { cert-manager = "1.x" }
  }
  expect_failures = [var.charts]
}

run "refuses_another_knative" {
  command = plan
  variables {
    knative_version = "1.22.0"
  }
  expect_failures = [var.knative_version]
}
