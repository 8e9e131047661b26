# What Homing stands on inside the cluster, each by its own chart at a pinned version, on the nodes of the group system.

locals {
  on_system = {
    nodeSelector = { "homing.io/group" = "system" }
    tolerations  = [{ key = "CriticalAddonsOnly", operator = "Exists" }]
  }

  releases = {
    # The CNI stays Amazon's; Calico enforces policies (decision 19).
    tigera-operator = {
      repository = "https://docs.tigera.io/calico/charts"
      namespace  = "tigera-operator"
      values = {
        installation = {
          enabled            = true
          kubernetesProvider = "EKS"
          cni                = { type = "AmazonVPC" }
          calicoNetwork      = { bgp = "Disabled" }
        }
        apiServer = { enabled = true }
      }
    }

    cluster-autoscaler = {
      repository = "https://kubernetes.github.io/autoscaler"
      namespace  = "kube-system"
      values = merge(local.on_system, {
        autoDiscovery    = { clusterName = var.cluster_name }
        awsRegion        = var.region
        replicaCount     = var.replicas
        fullnameOverride = "cluster-autoscaler"
        rbac = { serviceAccount = {
          name        = "cluster-autoscaler"
          annotations = { "eks.amazonaws.com/role-arn" = var.autoscaler_role_arn }
        } }
        extraArgs = { balance-similar-node-groups = true, skip-nodes-with-local-storage = false, expander = "least-waste" }
      })
    }

    cert-manager = {
      repository = "https://charts.jetstack.io"
      namespace  = "cert-manager"
      values = merge(local.on_system, {
        crds            = { enabled = true, keep = true }
        replicaCount    = var.replicas
        webhook         = merge(local.on_system, { replicaCount = var.replicas })
        cainjector      = merge(local.on_system, { replicaCount = var.replicas })
        startupapicheck = local.on_system
      })
    }

    external-secrets = {
      repository = "https://charts.external-secrets.io"
      namespace  = "external-secrets"
      values = merge(local.on_system, {
        replicaCount   = var.replicas
        leaderElect    = true
        webhook        = merge(local.on_system, { replicaCount = var.replicas })
        certController = local.on_system
        # Secrets are fetched by each namespace's own accounts; nothing may be fetched for all namespaces at once.
        processClusterStore          = false
        processClusterExternalSecret = false
        processPushSecret            = false
        crds = {
          createClusterExternalSecret = false
          createClusterSecretStore    = false
        }
      })
    }

    rabbitmq-cluster-operator = {
      repository = "oci://registry-1.docker.io/cloudpirates"
      namespace  = "rabbitmq-system"
      values = {
        useCertManager      = true
        clusterOperator     = merge(local.on_system, { replicaCount = 1 })
        msgTopologyOperator = merge(local.on_system, { replicaCount = 1 })
      }
    }

    knative-operator = {
      repository = "https://knative.github.io/operator"
      namespace  = "knative-operator"
      values     = {}
    }

    # Prometheus and its operator, Alertmanager, Grafana, node and state metrics. What is watched, and when somebody is
    # told, is in monitoring/.
    kube-prometheus-stack = {
      repository = "https://prometheus-community.github.io/helm-charts"
      namespace  = "monitoring"
      values = {
        prometheusOperator = local.on_system
        kube-state-metrics = local.on_system
        grafana = merge(local.on_system, {
          adminPassword = null
          admin         = { existingSecret = "grafana-admin", userKey = "username", passwordKey = "password" }
        })
        alertmanager = { alertmanagerSpec = merge(local.on_system, { replicas = var.replicas }) }
        prometheus = { prometheusSpec = merge(local.on_system, {
          replicas  = var.replicas
          retention = "30d"
          # Also monitors and rules that this release did not make.
          podMonitorSelectorNilUsesHelmValues     = false
          serviceMonitorSelectorNilUsesHelmValues = false
          ruleSelectorNilUsesHelmValues           = false
          storageSpec = { volumeClaimTemplate = { spec = {
            storageClassName = var.storage_class
            accessModes      = ["ReadWriteOnce"]
            resources        = { requests = { storage = "50Gi" } }
          } } }
        }) }
      }
    }
  }

  # Those that others need first: policies are enforced, and certificates made, before anything else comes.
  first = toset(["tigera-operator", "cert-manager"])
}

resource "helm_release" "first" {
  for_each        = { for name in local.first : name => local.releases[name] }
  name            = each.key
  repository      = each.value.repository
  chart           = each.key
  version         = var.charts[each.key]
  namespace       = lookup(var.namespaces, each.value.namespace, each.value.namespace)
  values          = [yamlencode(each.value.values)]
  atomic          = true
  cleanup_on_fail = true
  timeout         = 600
}

resource "helm_release" "this" {
  for_each        = { for name, release in local.releases : name => release if !contains(local.first, name) }
  name            = each.key
  repository      = each.value.repository
  chart           = each.key
  version         = var.charts[each.key]
  namespace       = lookup(var.namespaces, each.value.namespace, each.value.namespace)
  values          = [yamlencode(each.value.values)]
  atomic          = true
  cleanup_on_fail = true
  timeout         = 600
  depends_on      = [helm_release.first]
}

# Amazon's CNI tells Calico a pod's address by a note on the pod, which its own role does not let it write.
resource "kubernetes_cluster_role_v1" "annotate_pods" {
  metadata {
    name = "aws-node-annotates-pods"
  }
  rule {
    api_groups = [""]
    resources  = ["pods"]
    verbs      = ["patch"]
  }
}

resource "kubernetes_cluster_role_binding_v1" "annotate_pods" {
  metadata {
    name = "aws-node-annotates-pods"
  }
  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "ClusterRole"
    name      = kubernetes_cluster_role_v1.annotate_pods.metadata[0].name
  }
  subject {
    kind      = "ServiceAccount"
    name      = "aws-node"
    namespace = "kube-system"
  }
}
