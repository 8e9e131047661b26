# What a cluster has before anything is installed in it: namespaces with their pod security, a storage class, and
# accounts for what fetches secrets.

locals {
  # pod_security: what is enforced; restricted is warned of everywhere.
  # api: whether its pods talk to the cluster's API, and to AWS by the network's endpoints.
  # internet: whether they talk to the internet, HTTPS.
  # webhooks: ports at which the API calls them.
  namespaces = {
    # The broker's pods set no seccomp profile (eventing-rabbitmq 0.48), so restricted would refuse them. The functions
    # keep to restricted by themselves.
    homing = { pod_security = "baseline", api = false, internet = false, webhooks = [] }

    knative-operator = { pod_security = "baseline", api = true, internet = true, webhooks = [8443] } # fetches manifests
    knative-serving  = { pod_security = "baseline", api = true, internet = false, webhooks = [8443] }
    knative-eventing = { pod_security = "baseline", api = true, internet = false, webhooks = [8443] }
    cert-manager     = { pod_security = "baseline", api = true, internet = true, webhooks = [10250] } # asks ACME
    external-secrets = { pod_security = "baseline", api = true, internet = false, webhooks = [10250] }
    rabbitmq-system  = { pod_security = "baseline", api = true, internet = false, webhooks = [9443] }
    monitoring       = { pod_security = "privileged", api = true, internet = true, webhooks = [10250] } # node-exporter; alerts
    tigera-operator  = { pod_security = "privileged", api = true, internet = false, webhooks = [] }
  }
  labels = {
    monitoring = { "homing.io/monitoring" = "true" }
  }
}

resource "kubernetes_namespace_v1" "this" {
  for_each = local.namespaces
  metadata {
    name = each.key
    labels = merge({
      "pod-security.kubernetes.io/enforce" = each.value.pod_security
      "pod-security.kubernetes.io/audit"   = "restricted"
      "pod-security.kubernetes.io/warn"    = "restricted"
    }, lookup(local.labels, each.key, {}))
  }
  lifecycle {
    # Deployments (knative/) and operators add labels and notes of their own.
    ignore_changes = [metadata[0].annotations, metadata[0].labels["app.kubernetes.io/part-of"]]
  }
}

resource "kubernetes_storage_class_v1" "gp3" {
  metadata {
    name        = "gp3"
    annotations = { "storageclass.kubernetes.io/is-default-class" = "true" }
  }
  storage_provisioner    = "ebs.csi.aws.com"
  volume_binding_mode    = "WaitForFirstConsumer" # the volume is made in the pod's zone
  reclaim_policy         = "Retain"
  allow_volume_expansion = true
  parameters = {
    type               = "gp3"
    encrypted          = "true"
    kmsKeyId           = var.volumes_kms_key_arn
    tagSpecification_1 = "homing:backup=daily" # the backup plan picks volumes by it
  }
}

# external-secrets takes these on, one for each function. No pod runs as them.
resource "kubernetes_service_account_v1" "secrets" {
  for_each = var.secrets_role_arns
  metadata {
    name        = "secrets-${each.key}"
    namespace   = kubernetes_namespace_v1.this["homing"].metadata[0].name
    annotations = { "eks.amazonaws.com/role-arn" = each.value }
  }
  automount_service_account_token = false
}
