variable "name" {
  description = "What the parts are named after, such as homing."
  type        = string
  default     = "homing"
}

variable "organization_id" {
  description = "The organization, o-…"
  type        = string
  validation {
    condition     = can(regex("^o-[a-z0-9]+$", var.organization_id))
    error_message = "Begins with o-."
  }
}

variable "management_account_id" {
  description = "The account that the organization is managed from, which the trail belongs to."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.management_account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "security_account_id" {
  description = "The account that keeps the logs and watches over the others."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.security_account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "region" {
  description = "Where the trail is kept, and findings are gathered."
  type        = string
}

variable "trail_days" {
  description = "How many days nobody at all can delete or change what the trail has recorded. 365 at least."
  type        = number
  default     = 400
  validation {
    condition     = var.trail_days >= 365
    error_message = "A year at least: an intrusion is often found after months."
  }
}

variable "emails" {
  description = "Who is told of critical and high findings."
  type        = list(string)
  validation {
    condition     = length(var.emails) >= 1
    error_message = "At least one address."
  }
}
