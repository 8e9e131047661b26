variable "name" {
  description = "What the parts are named after, such as homing-prod."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 31 characters."
  }
}

variable "repositories" {
  description = "The images, by name: a repository for each."
  type        = set(string)
  default = [
    "homing/deliver", "homing/homing", "homing/homing-probe", "homing/homing-rotate", "homing/ingest", "homing/manage",
    "homing/retry",
  ]
  validation {
    condition     = length(var.repositories) > 0
    error_message = "One image at least."
  }
}

variable "pull_role_arns" {
  description = "The roles that may pull: those of the cluster's nodes, and nobody else's."
  type        = list(string)
  validation {
    condition     = length(var.pull_role_arns) > 0 && !contains(var.pull_role_arns, "*")
    error_message = "Name the roles of the nodes."
  }
}

variable "push_role_arns" {
  description = "The roles that may push and sign: the pipeline's."
  type        = list(string)
  validation {
    condition     = length(var.push_role_arns) > 0 && !contains(var.push_role_arns, "*")
    error_message = "Name the pipeline's roles."
  }
}

variable "kept_images" {
  description = "How many released images of each repository are kept, at least 10: rolling back needs them."
  type        = number
  default     = 100
  validation {
    condition     = var.kept_images >= 10
    error_message = "10 at least."
  }
}
