variable "name" {
  description = "The cluster's name: homing-ENVIRONMENT."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name must be 4 to 30 lower-case letters, digits and dashes."
  }
}

variable "kubernetes_version" {
  description = "The minor version of Kubernetes. Knative 1.21 refuses to start below 1.33."
  type        = string
  default     = "1.34"
  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version)) && tonumber(split(".", var.kubernetes_version)[1]) >= 33
    error_message = "kubernetes_version must be 1.33 or later."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "The private subnets, one a zone."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "The cluster must span three zones."
  }
}

variable "vpn" {
  description = "Whether there is a VPN. (Its security group is not known before it is made, and so decides nothing.)"
  type        = bool
  default     = false
}

variable "vpn_security_group_id" {
  description = "Security group of people on the VPN, who may reach the API."
  type        = string
  default     = null
}

variable "public_access_cidrs" {
  description = "Addresses from which the API may be reached over the internet. Empty, as it should be: not at all."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.public_access_cidrs, "0.0.0.0/0")
    error_message = "The API must not be open to everybody."
  }
}

variable "node_groups" {
  description = <<-TEXT
    The node groups `system` (controllers, RabbitMQ), `application` (functions; what names no other group lands here) and
    `build` (pipelines): instance types, disk in GiB, and how many nodes at least, at first and at most.
  TEXT
  type = map(object({
    instance_types = list(string)
    disk_gib       = optional(number, 50)
    min            = number
    desired        = number
    max            = number
  }))
  validation {
    condition     = toset(keys(var.node_groups)) == toset(["system", "application", "build"])
    error_message = "There are three node groups: system, application and build."
  }
  validation {
    condition     = alltrue([for g in var.node_groups : 1 <= g.min && g.min <= g.desired && g.desired <= g.max && g.max <= 10])
    error_message = "Each node group has 1 to 10 nodes, and min <= desired <= max."
  }
}

variable "addon_versions" {
  description = "Versions of the EKS add-ons. kube-proxy's must be of the cluster's minor version."
  type        = map(string)
  default = {
    vpc-cni             = "v1.20.4-eksbuild.2"
    kube-proxy          = "v1.34.0-eksbuild.4"
    coredns             = "v1.12.4-eksbuild.1"
    aws-ebs-csi-driver  = "v1.51.0-eksbuild.1"
    snapshot-controller = "v8.3.0-eksbuild.1"
    metrics-server      = "v0.8.0-eksbuild.2"
  }
  validation {
    condition     = startswith(lookup(var.addon_versions, "kube-proxy", ""), "v${var.kubernetes_version}.")
    error_message = "kube-proxy must be of the cluster's minor version."
  }
  validation {
    condition     = alltrue([for v in values(var.addon_versions) : can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+-eksbuild\\.[0-9]+$", v))])
    error_message = "Add-ons are pinned: vA.B.C-eksbuild.N."
  }
}

variable "admin_role_arns" {
  description = "Roles (of single sign-on) that may do everything in the cluster."
  type        = list(string)
  default     = []
}

variable "deployer_role_arns" {
  description = "Roles (of the pipeline) that may deploy into the namespace homing, and nowhere else."
  type        = list(string)
  default     = []
}

variable "secret_prefix" {
  description = "What the names in Secrets Manager begin with; the function's name follows: homing/ENVIRONMENT."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(/[a-z0-9-]+)*$", var.secret_prefix))
    error_message = "secret_prefix must be a path without slash at the end."
  }
}

variable "secrets_kms_key_arn" {
  description = "The key that those secrets are encrypted with."
  type        = string
}

variable "log_retention_days" {
  description = "For how long the control plane's logs, the audit log among them, are kept."
  type        = number
  default     = 365
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
