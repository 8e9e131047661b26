variable "vpc" {
  description = "Addresses of the network: public subnets (load balancer), private ones (nodes, pods and the API), data ones (databases)."
  type = object({
    public_cidrs  = list(string)
    private_cidrs = list(string)
    data_cidrs    = list(string)
  })
  validation {
    condition     = alltrue([for cidr in flatten(values(var.vpc)) : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "The network's addresses must be ranges, and not everything."
  }
}

variable "volumes_kms_key_arn" {
  description = "The key that persistent volumes are encrypted with."
  type        = string
}

variable "secrets_role_arns" {
  description = "By function: the role that fetches its secrets."
  type        = map(string)
  validation {
    condition     = toset(keys(var.secrets_role_arns)) == toset(["ingest", "deliver", "retry", "manage"])
    error_message = "There must be a role for each of ingest, deliver, retry and manage."
  }
}
