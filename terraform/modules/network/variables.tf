variable "name" {
  description = "Prefix of every name: homing-ENVIRONMENT."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name must be 4 to 30 lower-case letters, digits and dashes."
  }
}

variable "cidr" {
  description = "The VPC's addresses, a /16 that no other environment has."
  type        = string
  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16") && startswith(var.cidr, "10.")
    error_message = "cidr must be a /16 of 10.0.0.0/8."
  }
}

variable "foreign_cidrs" {
  description = "Addresses of the other environments. There is no route to them, and the network ACLs refuse them in case somebody makes one."
  type        = list(string)
  validation {
    condition     = length(var.foreign_cidrs) > 0 && alltrue([for c in var.foreign_cidrs : can(cidrhost(c, 0)) && c != var.cidr])
    error_message = "foreign_cidrs must name the other environments' networks, and not this one's."
  }
}

variable "zones" {
  description = "The three availability zones."
  type        = list(string)
  validation {
    condition     = length(distinct(var.zones)) == 3
    error_message = "There must be three different zones: RabbitMQ's quorum and Multi-AZ failover need them."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone has a NAT gateway of its own. With one for all, the loss of its zone stops every delivery."
  type        = bool
}

variable "client_vpn" {
  description = "Access for people: SAML provider, server certificate, address range of the clients and the group that may connect. null: none."
  type = object({
    saml_provider_arn      = string
    server_certificate_arn = string
    cidr                   = string
    group_id               = string
  })
  default = null
  validation {
    condition     = var.client_vpn == null || can(regex("/(1[2-9]|2[0-2])$", var.client_vpn.cidr))
    error_message = "The VPN's client range must be from /12 to /22."
  }
}

variable "log_retention_days" {
  description = "For how long flow logs and VPN connection logs are kept."
  type        = number
  default     = 365
  validation {
    condition     = contains([30, 90, 180, 365, 400, 731], var.log_retention_days)
    error_message = "log_retention_days must be one of 30, 90, 180, 365, 400 and 731."
  }
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
