variable "name" {
  description = "The role's name."
  type        = string
  validation {
    condition     = length(var.name) <= 64
    error_message = "A role's name has at most 64 characters."
  }
}

variable "oidc_provider_arn" {
  description = "The cluster's OIDC provider."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "oidc_provider_arn must be the ARN of an OIDC provider."
  }
}

variable "namespace" {
  description = "The service account's namespace."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.namespace))
    error_message = "A namespace has no wildcard."
  }
}

variable "service_account" {
  description = "The service account's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.service_account))
    error_message = "A service account has no wildcard."
  }
}

variable "policies" {
  description = "What the role may do: policies as JSON, by name (the names must be known before anything is made)."
  type        = map(string)
  default     = {}
}

variable "managed_policy_arn" {
  description = "One of AWS's own policies, where AWS keeps it for this purpose."
  type        = string
  default     = null
  validation {
    condition     = var.managed_policy_arn == null || can(regex("^arn:aws[a-z-]*:iam::aws:policy/", var.managed_policy_arn))
    error_message = "managed_policy_arn must be a policy of AWS's own."
  }
  validation {
    condition     = var.managed_policy_arn == null || !can(regex("(Administrator|PowerUser|FullAccess)", var.managed_policy_arn))
    error_message = "A pod gets no policy that allows everything."
  }
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}
