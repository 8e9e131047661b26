variable "name" {
  description = "The name of what the state describes, such as homing-prod. The bucket and its key are named after it, as backends have them."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 31 characters."
  }
}

variable "account_id" {
  description = "The account that the bucket belongs to, whose role for the organization may set it up anew."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "old_versions_days" {
  description = "How many days an overwritten state is kept, at least 30. The newest 20 versions are kept for ever."
  type        = number
  default     = 90
  validation {
    condition     = var.old_versions_days >= 30
    error_message = "A mistake may be found weeks later: keep 30 days or more."
  }
}
