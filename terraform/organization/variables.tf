variable "region" {
  description = "Where the organization's own things are."
  type        = string
  default     = "eu-central-1"
}

variable "other_regions" {
  description = "Other regions in which something may be done: where copies are kept."
  type        = list(string)
  default     = ["eu-west-1"]
}

variable "email_domain" {
  description = "The domain of the addresses that own accounts: aws-ACCOUNT@DOMAIN, which somebody must read."
  type        = string
  default     = "example.com"
}

variable "security_emails" {
  description = "Who is told of critical and high findings."
  type        = list(string)
  default     = ["security@example.com"]
}

variable "github_owner" {
  description = "The organization on GitHub."
  type        = string
  default     = "homing-hooks"
}

variable "assignments" {
  description = "Who may do what where: see module accounts."
  type        = set(object({ group = string, permission_set = string, account = string }))
  default = [
    { group = "homing-engineers", permission_set = "developer", account = "homing-dev" },
    { group = "homing-engineers", permission_set = "reader", account = "homing-staging" },
    { group = "homing-engineers", permission_set = "reader", account = "homing-prod" },
    { group = "homing-on-call", permission_set = "operator", account = "homing-staging" },
    { group = "homing-on-call", permission_set = "operator", account = "homing-prod" },
    { group = "homing-break-glass", permission_set = "break-glass", account = "homing-staging" },
    { group = "homing-break-glass", permission_set = "break-glass", account = "homing-prod" },
    { group = "homing-security", permission_set = "auditor", account = "homing-security" },
    { group = "homing-security", permission_set = "auditor", account = "homing-prod" },
  ]
}
