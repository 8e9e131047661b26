variable "name" {
  description = "What the budget is named after, such as homing-prod."
  type        = string
}

variable "monthly_usd" {
  description = "What the account may cost in a month, in US dollars."
  type        = number
  validation {
    condition     = var.monthly_usd > 0
    error_message = "More than nothing."
  }
}

variable "emails" {
  description = "Who is told. At least one address; Budgets takes ten."
  type        = list(string)
  validation {
    condition     = length(var.emails) >= 1 && length(var.emails) <= 10 && alltrue([for e in var.emails : can(regex("^[^@ ]+@[^@ ]+$", e))])
    error_message = "From one to ten addresses."
  }
}

variable "anomaly_usd" {
  description = "From how many dollars above what was expected an anomaly is told of, the next day."
  type        = number
  default     = 50
  validation {
    condition     = var.anomaly_usd >= 1
    error_message = "One dollar at least."
  }
}
