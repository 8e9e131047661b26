# Objects of the kinds that the releases above define.

locals {
  template = {
    knative_version = var.knative_version
    domain          = var.domain
    replicas        = var.replicas
    region          = var.region
    prefix          = var.secret_prefix
    rabbitmq_host   = var.rabbitmq_host
  }
  object_files = fileset("${path.module}/objects", "*/*.yaml")
  objects = { for directory in ["policies", "knative", "secrets"] : directory => flatten([
    for file in local.object_files : [
      for document in split("\n---\n", templatefile("${path.module}/objects/${file}", local.template)) : yamldecode(document)
    ] if dirname(file) == directory
  ]) }
}

resource "helm_release" "policies" {
  name       = "closed-by-default"
  namespace  = "kube-system"
  chart      = "${path.module}/../../charts/objects"
  values     = [yamlencode({ objects = local.objects["policies"] })]
  depends_on = [helm_release.first]
}

resource "helm_release" "knative" {
  name       = "knative"
  namespace  = lookup(var.namespaces, "knative-operator", "knative-operator")
  chart      = "${path.module}/../../charts/objects"
  values     = [yamlencode({ objects = local.objects["knative"] })]
  depends_on = [helm_release.this]
}

resource "helm_release" "secrets" {
  name       = "secrets"
  namespace  = lookup(var.namespaces, "homing", "homing")
  chart      = "${path.module}/../../charts/objects"
  values     = [yamlencode({ objects = local.objects["secrets"] })]
  depends_on = [helm_release.this]
}
