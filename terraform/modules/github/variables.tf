variable "name" {
  description = "The repository's name, without its owner."
  type        = string
  default     = "homing"
}

variable "visibility" {
  description = "Who may read it: public, private or internal."
  type        = string
  default     = "public"
  validation {
    condition     = contains(["public", "private", "internal"], var.visibility)
    error_message = "One of public, private, internal."
  }
}

variable "teams" {
  description = <<-E
    Who works on it, by the team's name: what for, and with which rights (pull, triage, push, maintain). Nobody has admin:
    settings are changed here. The names are those that .github/CODEOWNERS uses.
  E
  type        = map(object({ description = string, permission = string }))
  default = {
    maintainers = { description = "Review and release all of Homing.", permission = "maintain" }
    platform    = { description = "Own infrastructure, pipeline and monitoring.", permission = "push" }
    security    = { description = "Own what guards: rights, secrets, the audit trail.", permission = "push" }
    on-call     = { description = "Are woken up; approve rolling back.", permission = "triage" }
  }
  validation {
    condition     = alltrue([for t in var.teams : contains(["pull", "triage", "push", "maintain"], t.permission)])
    error_message = "permission is one of pull, triage, push, maintain."
  }
}

variable "required_checks" {
  description = "The jobs that must have passed before anything is merged, by the names that GitHub shows."
  type        = list(string)
  default     = ["check", "build", "fuzz", "images", "infra", "security"]
  validation {
    condition     = length(var.required_checks) >= 1
    error_message = "At least one."
  }
}

variable "environments" {
  description = <<-E
    What is deployed to, by name: the teams of which somebody must approve (at most six; none: nobody), minutes to wait
    before, and the refs that may be deployed.
  E
  type = map(object({
    reviewers = optional(list(string), [])
    wait      = optional(number, 0)
    branches  = optional(list(string), ["main"])
    tags      = optional(list(string), [])
  }))
  default = {
    dev     = {}
    staging = { reviewers = ["maintainers", "platform"], tags = ["v*"] }
    prod    = { reviewers = ["maintainers", "on-call"], wait = 5, tags = ["v*"] }
  }
  validation {
    condition     = alltrue([for name, e in var.environments : name != "prod" || length(e.reviewers) > 0])
    error_message = "Somebody must approve what goes to prod."
  }
  validation {
    condition     = alltrue([for e in var.environments : length(e.reviewers) <= 6])
    error_message = "GitHub takes six reviewers."
  }
  validation {
    condition     = alltrue(flatten([for e in var.environments : [for t in e.reviewers : contains(keys(var.teams), t)]]))
    error_message = "Reviewers are teams of this repository."
  }
}

variable "actions" {
  description = "Actions of others than GitHub that workflows may use, as OWNER/NAME@*."
  type        = set(string)
  default     = ["aws-actions/configure-aws-credentials@*", "hashicorp/setup-terraform@*"]
}
