variable "environment" {
  description = "dev, staging or prod."
  type        = string
  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod."
  }
}

variable "account_id" {
  description = "The account of this environment, which no other has. Terraform refuses to work in another one."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must have 12 digits."
  }
}

variable "region" {
  description = "Where the environment is."
  type        = string
}

variable "backup_region" {
  description = "Where copies of its backups go."
  type        = string
  validation {
    condition     = var.backup_region != var.region
    error_message = "Copies in the same region are lost with it."
  }
}

variable "domain" {
  description = "The domain of its public services."
  type        = string
}

variable "network" {
  description = "Its addresses, those of the other environments, its zones, and whether each zone has a NAT gateway."
  type = object({
    cidr          = string
    foreign_cidrs = list(string)
    zones         = list(string)
    nat_per_zone  = bool
  })
}

variable "client_vpn" {
  description = "Access for people (module network); null until single sign-on knows the application."
  type = object({
    saml_provider_arn      = string
    server_certificate_arn = string
    cidr                   = string
    group_id               = string
  })
  default = null
}

variable "node_groups" {
  description = "Sizes of the node groups (module cluster)."
  type = map(object({
    instance_types = list(string)
    disk_gib       = optional(number, 50)
    min            = number
    desired        = number
    max            = number
  }))
}

variable "admin_role_arns" {
  description = "Roles that administer the cluster."
  type        = list(string)
  default     = []
}

variable "deployer_role_arns" {
  description = "Roles that deploy Homing."
  type        = list(string)
  default     = []
}

variable "postgres" {
  description = "Size of Postgres (module data)."
  type = object({
    instance_class  = string
    storage_gib     = number
    max_storage_gib = number
    max_connections = number
    multi_az        = bool
    backup_days     = number
    protected       = bool
  })
}

variable "redis" {
  description = "Size of Redis (module data)."
  type = object({
    node_type = string
    nodes     = number
  })
}

variable "rabbitmq" {
  description = "Size of each of RabbitMQ's three nodes (module rabbitmq)."
  type = object({
    storage_gib     = number
    memory_gib      = number
    cpus            = number
    zones_separated = bool
  })
}

variable "replicas" {
  description = "Of each controller and gateway (module platform)."
  type        = number
}

variable "log_retention_days" {
  description = "For how long logs are kept."
  type        = number
}

variable "owner" {
  description = "Who is asked about it: a tag of everything."
  type        = string
  default     = "homing"
}
