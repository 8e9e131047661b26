variable "name" {
  description = "What the roles are named after, such as homing-prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 31 characters."
  }
}

variable "repository" {
  description = "The repository on GitHub whose workflows may take the roles: OWNER/NAME."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "OWNER/NAME, without wildcards."
  }
}

variable "environment" {
  description = "The GitHub environment that a job must run in to deploy. Its approvals are what stands before production."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.environment))
    error_message = "Lower case letters, digits and dashes, without wildcards."
  }
}

variable "state_bucket" {
  description = "The bucket of this account's Terraform state, which planning reads and locks."
  type        = string
}

variable "state_kms_key_arn" {
  description = "The key of that bucket."
  type        = string
}
