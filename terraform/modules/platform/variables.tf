variable "cluster_name" {
  description = "The cluster, whose node groups are scaled."
  type        = string
}

variable "region" {
  description = "The region, where the secrets are."
  type        = string
}

variable "namespaces" {
  description = "The namespaces (module kubernetes), by name; known once they are closed."
  type        = map(string)
}

variable "autoscaler_role_arn" {
  description = "The cluster-autoscaler's role."
  type        = string
}

variable "storage_class" {
  description = "Storage class of Prometheus."
  type        = string
}

variable "secret_prefix" {
  description = "What the names in Secrets Manager begin with: homing/ENVIRONMENT."
  type        = string
}

variable "rabbitmq_host" {
  description = "Where the functions find RabbitMQ."
  type        = string
  default     = "rabbitmq.homing.svc.cluster.local"
}

variable "domain" {
  description = "The domain of public services: ingest and manage are HOST.DOMAIN."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.domain))
    error_message = "domain must be a DNS name."
  }
}

variable "replicas" {
  description = "Of each controller and gateway: 1 where an outage is nobody's, 2 or more otherwise."
  type        = number
  validation {
    condition     = var.replicas >= 1 && var.replicas <= 3
    error_message = "replicas must be 1 to 3."
  }
}

variable "charts" {
  description = "Versions of the Helm charts: exact ones."
  type        = map(string)
  default = {
    tigera-operator           = "v3.31.2"
    cluster-autoscaler        = "9.53.0"
    cert-manager              = "v1.19.1"
    external-secrets          = "1.1.0"
    knative-operator          = "v1.21.0"
    rabbitmq-cluster-operator = "0.6.16"
    kube-prometheus-stack     = "79.5.0"
  }
  validation {
    condition     = alltrue([for v in values(var.charts) : can(regex("^v?[0-9]+\\.[0-9]+\\.[0-9]+$", v))])
    error_message = "Charts are pinned: A.B.C."
  }
}

variable "knative_version" {
  description = "The version of Knative Serving, Eventing and the RabbitMQ broker. The code is tested against 1.21 (v0.48)."
  type        = string
  default     = "1.21.0"
  validation {
    condition     = can(regex("^1\\.21\\.[0-9]+$", var.knative_version))
    error_message = "knative_version must be a 1.21: another one has to be tried in test/knative first."
  }
}
