variable "name" {
  description = "What the parts are named after, such as homing-prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 31 characters."
  }
}

variable "emails" {
  description = "Who is told when a rule is broken or somebody breaks the glass. At least one address."
  type        = list(string)
  validation {
    condition     = length(var.emails) >= 1 && alltrue([for e in var.emails : can(regex("^[^@ ]+@[^@ ]+$", e))])
    error_message = "At least one address."
  }
}

variable "required_tags" {
  description = "The tags that everything that can have tags must have."
  type        = list(string)
  default     = ["environment", "managed-by", "owner", "project"]
  validation {
    condition     = length(var.required_tags) >= 1 && length(var.required_tags) <= 6
    error_message = "From one to six: the rule takes no more."
  }
}

variable "production" {
  description = "Whether databases must stand in several zones."
  type        = bool
}

variable "record_days" {
  description = "How many days the history of configuration is kept, and nobody in the account deletes any of it."
  type        = number
  default     = 365
  validation {
    condition     = var.record_days >= 90
    error_message = "90 days at least."
  }
}
