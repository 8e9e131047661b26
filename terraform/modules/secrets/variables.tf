variable "name" {
  description = "What the parts are named after, such as homing-prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 31 characters."
  }
}

variable "prefix" {
  description = "What the names of secrets begin with, such as homing/prod; the function's name follows."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(/[a-z0-9-]+)*$", var.prefix))
    error_message = "A path without a slash at the end."
  }
}

variable "reader_role_arns" {
  description = "By function: the role that fetches its secrets. Nobody else reads them, but the one that rotates them."
  type        = map(string)
  validation {
    condition     = alltrue([for f in ["ingest", "deliver", "retry", "manage"] : contains(keys(var.reader_role_arns), f)])
    error_message = "A role for each of ingest, deliver, retry, manage."
  }
}

variable "database" {
  description = <<-E
    The Postgres: its host, port, database, security group, and the ARN of the secret of its owner, which RDS makes and
    rotates itself, with the key that it is encrypted with.
  E
  type = object({
    host              = string
    port              = optional(number, 5432)
    name              = optional(string, "homing")
    security_group_id = string
    admin_secret_arn  = string
    admin_kms_key_arn = string
  })
}

variable "rotation" {
  description = <<-E
    The function that rotates database passwords: its image by digest, the network that it runs in, and every how many days
    it does so (at most 90).
  E
  type = object({
    image      = string
    vpc_id     = string
    subnet_ids = list(string)
    days       = optional(number, 30)
  })
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.rotation.image))
    error_message = "The image is named by its digest: REPOSITORY@sha256:…"
  }
  validation {
    condition     = var.rotation.days >= 1 && var.rotation.days <= 90
    error_message = "From 1 to 90 days."
  }
}

variable "by_hand" {
  description = "Secrets that only people know, by name: what they are for. Terraform makes the place; its content comes by hand."
  type        = map(string)
  default = {
    "alerting/page" = "Where Alertmanager sends what must wake somebody: the pager's integration key."
    "alerting/chat" = "Where Alertmanager sends everything else: the chat's webhook."
  }
}
