variable "name" {
  description = "Prefix of every name: homing-ENVIRONMENT."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name must be 4 to 30 lower-case letters, digits and dashes."
  }
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "The isolated data subnets, one a zone."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "Data must be able to live in three zones."
  }
}

variable "client_security_group_id" {
  description = "Security group of what may connect: the cluster's nodes and pods."
  type        = string
}

variable "backup_region" {
  description = "The other region that copies of the backups go to."
  type        = string
}

variable "postgres" {
  description = <<-TEXT
    Size of Postgres: instance class, storage and its limit in GiB, connections, whether a standby waits in another zone,
    for how many days one can go back to any point in time, and whether it may be deleted.
  TEXT
  type = object({
    instance_class  = string
    storage_gib     = number
    max_storage_gib = number
    max_connections = number
    multi_az        = bool
    backup_days     = number
    protected       = bool
  })
  validation {
    condition     = startswith(var.postgres.instance_class, "db.")
    error_message = "instance_class must be a class of RDS: db.…"
  }
  validation {
    condition     = var.postgres.storage_gib >= 20 && var.postgres.max_storage_gib > var.postgres.storage_gib
    error_message = "Storage begins at 20 GiB and must be able to grow."
  }
  validation {
    condition     = var.postgres.backup_days >= 7 && var.postgres.backup_days <= 35
    error_message = "Backups must reach 7 to 35 days back: without them there is no point in time to return to."
  }
  validation {
    condition     = var.postgres.max_connections >= 100 && var.postgres.max_connections <= 5000
    error_message = "max_connections must be from 100 to 5000."
  }
}

variable "postgres_version" {
  description = "The version of Postgres: 15 or later."
  type        = string
  default     = "17.6"
  validation {
    condition     = can(regex("^[0-9]{2}\\.[0-9]+$", var.postgres_version)) && tonumber(split(".", var.postgres_version)[0]) >= 15
    error_message = "postgres_version must be MAJOR.MINOR, and 15 or later."
  }
}

variable "database_user_secret_arns" {
  description = "By database user: the secret (username, password) that the proxy signs in with. The owner's is there without."
  type        = map(string)
  default     = {}
}

variable "secrets_kms_key_arn" {
  description = "The key that those secrets are encrypted with."
  type        = string
}

variable "secret_prefix" {
  description = "What the names in Secrets Manager begin with: homing/ENVIRONMENT."
  type        = string
}

variable "redis" {
  description = "Size of Redis: node type, and how many nodes; two or more live in different zones, and one takes over."
  type = object({
    node_type = string
    nodes     = number
  })
  validation {
    condition     = var.redis.nodes >= 2 && var.redis.nodes <= 6
    error_message = "Redis needs 2 to 6 nodes for Multi-AZ."
  }
}

variable "rabbitmq_service" {
  description = "Who runs RabbitMQ: operator (in the cluster, module rabbitmq) or amazon-mq (this module)."
  type        = string
  default     = "operator"
  validation {
    condition     = contains(["operator", "amazon-mq"], var.rabbitmq_service)
    error_message = "rabbitmq_service must be operator or amazon-mq."
  }
}

variable "amazon_mq" {
  description = "Version and size of Amazon MQ, where rabbitmq_service asks for it."
  type = object({
    version       = optional(string, "3.13")
    instance_type = optional(string, "mq.m5.large")
  })
  default = {}
  validation {
    condition     = tonumber(split(".", var.amazon_mq.version)[0]) > 3 || tonumber(split(".", var.amazon_mq.version)[1]) >= 13
    error_message = "RabbitMQ must be 3.13 or later."
  }
}

variable "log_retention_days" {
  description = "For how long logs of the databases are kept."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
