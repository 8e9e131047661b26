variable "accounts" {
  description = <<-E
    The accounts to have, by name: the address that owns it (each needs its own) and its unit, one of security, production,
    non-production. An account that is taken out is not closed: closing is a human act.
  E
  type        = map(object({ email = string, unit = string }))
  validation {
    condition     = alltrue([for a in var.accounts : contains(["security", "production", "non-production"], a.unit)])
    error_message = "unit is one of security, production, non-production."
  }
  validation {
    condition     = length(distinct([for a in var.accounts : lower(a.email)])) == length(var.accounts)
    error_message = "Each account needs an address of its own."
  }
  validation {
    condition     = length([for a in var.accounts : a if a.unit == "security"]) == 1
    error_message = "Exactly one account keeps the logs and watches over the others."
  }
}

variable "regions" {
  description = "The regions in which anything may be done: where Homing runs, and where its copies are kept."
  type        = list(string)
  validation {
    condition     = length(var.regions) >= 1 && alltrue([for r in var.regions : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", r))])
    error_message = "At least one region, such as eu-central-1."
  }
}

variable "environments" {
  description = "The values that the tag environment may have."
  type        = list(string)
  default     = ["dev", "staging", "prod", "shared"]
}

variable "assignments" {
  description = <<-E
    Who may do what where: a group of the identity store (its display name), a permission set, an account. The permission
    sets are reader, operator, developer, auditor and break-glass.
  E
  type        = set(object({ group = string, permission_set = string, account = string }))
  default     = []
  validation {
    condition = alltrue([
      for a in var.assignments : contains(["reader", "operator", "developer", "auditor", "break-glass"], a.permission_set)
    ])
    error_message = "permission_set is one of reader, operator, developer, auditor, break-glass."
  }
  validation {
    condition     = alltrue([for a in var.assignments : contains(keys(var.accounts), a.account)])
    error_message = "account must be one of accounts."
  }
  validation {
    condition = alltrue([
      for a in var.assignments :
      a.permission_set != "developer" || try(var.accounts[a.account].unit, "") == "non-production"
    ])
    error_message = "Developers change non-production accounts only."
  }
}
