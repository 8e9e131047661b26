variable "namespace" {
  description = "The namespace, which the brokers and functions are in as well: eventing/broker-config.yaml names it."
  type        = string
  default     = "homing"
}

variable "image" {
  description = "RabbitMQ's image: 3.13 or later, with the management plugin."
  type        = string
  default     = "rabbitmq:4.1.4-management"
  validation {
    condition = can(regex("rabbitmq:[0-9]+\\.[0-9]+\\.[0-9]+-management", var.image)) && (
      tonumber(regex("rabbitmq:([0-9]+)\\.", var.image)[0]) > 3 || tonumber(regex("rabbitmq:[0-9]+\\.([0-9]+)", var.image)[0]) >= 13
    )
    error_message = "image must be rabbitmq:A.B.C-management, 3.13 or later."
  }
}

variable "storage_class" {
  description = "Storage class of the volumes: encrypted gp3 that is backed up."
  type        = string
}

variable "size" {
  description = "Of each of the three nodes: volume and memory in GiB, CPUs, and whether each must be in a zone of its own."
  type = object({
    storage_gib     = number
    memory_gib      = number
    cpus            = number
    zones_separated = bool
  })
  validation {
    condition     = var.size.storage_gib >= 10 && var.size.memory_gib >= 1 && var.size.cpus > 0
    error_message = "RabbitMQ needs at least 10 GiB of disk and 1 GiB of memory a node."
  }
}

variable "secret_prefix" {
  description = "What the names in Secrets Manager begin with: homing/ENVIRONMENT."
  type        = string
}

variable "secrets_kms_key_arn" {
  description = "The key that the users' passwords are encrypted with."
  type        = string
}

variable "tags" {
  description = "Tags of what is in AWS."
  type        = map(string)
  default     = {}
}
