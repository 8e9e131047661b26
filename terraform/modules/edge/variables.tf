variable "name" {
  description = "What the parts are named after, such as homing-prod. A load balancer's name has at most 32 characters."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,27}$", var.name))
    error_message = "Lower case letters, digits and dashes, 3 to 28 characters."
  }
}

variable "vpc_id" {
  description = "The network that the load balancer stands in."
  type        = string
}

variable "public_subnet_ids" {
  description = "Public subnets in at least two zones, for the load balancer."
  type        = list(string)
  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "A load balancer stands in two zones or more."
  }
}

variable "cluster_name" {
  description = "The EKS cluster that the gateway runs in."
  type        = string
}

variable "ready" {
  description = "Known once cert-manager and Knative are there, whose kinds of objects this makes."
  type        = list(string)
  default     = []
}

variable "namespace" {
  description = "The namespace of the functions."
  type        = string
  default     = "homing"
}

variable "oidc_provider_arn" {
  description = "The cluster's OIDC provider, by which the controller's service account becomes a role."
  type        = string
}

variable "node_security_group_id" {
  description = "The security group of the nodes, which gets one rule: what the load balancer may reach."
  type        = string
}

variable "zone_id" {
  description = "The public hosted zone that all names are in."
  type        = string
}

variable "zone_name" {
  description = "The zone's name, such as dev.example.com."
  type        = string
}

variable "events_host" {
  description = "Where producers send events: the public face of ingest."
  type        = string
  validation {
    condition     = endswith(var.events_host, ".${var.zone_name}") && lower(var.events_host) == var.events_host
    error_message = "A name in the zone, in lower case."
  }
}

variable "api_host" {
  description = "Where the management API is. Not the name that events are sent to: the firewall treats them differently."
  type        = string
  validation {
    condition     = endswith(var.api_host, ".${var.zone_name}") && lower(var.api_host) == var.api_host
    error_message = "A name in the zone, in lower case."
  }
  validation {
    condition     = var.api_host != var.events_host
    error_message = "The API needs a name of its own."
  }
}

variable "probe_host" {
  description = "Where the probes of monitoring/probe receive their webhooks; null where there are none."
  type        = string
  default     = null
  validation {
    condition = alltrue([
      for host in var.probe_host[*] : endswith(host, ".${var.zone_name}") && lower(host) == host
    ])
    error_message = "A name in the zone, in lower case."
  }
  validation {
    condition     = !contains(var.probe_host[*], var.events_host) && !contains(var.probe_host[*], var.api_host)
    error_message = "The probes need a name of their own."
  }
}

variable "max_payload_bytes" {
  description = "The largest body that Homing takes: HOMING_MAX_PAYLOAD, in bytes. Larger ones are answered 413 at the edge."
  type        = number
  default     = 1048576
  validation {
    condition     = var.max_payload_bytes >= 1024 && floor(var.max_payload_bytes) == var.max_payload_bytes
    error_message = "Whole bytes, 1024 at least."
  }
}

variable "events_per_5_minutes" {
  description = "How many requests one address may make in 5 minutes where events are sent. 300,000 are 1,000 a second."
  type        = number
  default     = 300000
  validation {
    condition     = var.events_per_5_minutes >= 1000 && var.events_per_5_minutes <= 2000000000
    error_message = "From 1,000 to 2,000,000,000."
  }
}

variable "api_requests_per_5_minutes" {
  description = "How many requests one address may make in 5 minutes of everything else."
  type        = number
  default     = 10000
  validation {
    condition     = var.api_requests_per_5_minutes >= 100 && var.api_requests_per_5_minutes <= 2000000000
    error_message = "From 100 to 2,000,000,000."
  }
}

variable "tls_policy" {
  description = "Which versions and ciphers of TLS are spoken: one of ELB's policies without anything older than TLS 1.2."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  validation {
    condition     = can(regex("^ELBSecurityPolicy-TLS13-1-[23]-", var.tls_policy))
    error_message = "A policy of TLS 1.2 and 1.3 (TLS13-1-2-…), or of TLS 1.3 alone (TLS13-1-3-…)."
  }
}

variable "alarm_topic_arn" {
  description = "Where it is said that a certificate has not been renewed."
  type        = string
}

variable "log_days" {
  description = "How many days logs of requests and of the firewall are kept. They hold addresses of people: not for ever."
  type        = number
  default     = 90
  validation {
    condition     = contains([30, 60, 90, 180, 365], var.log_days)
    error_message = "One of 30, 60, 90, 180, 365."
  }
}

variable "shield_advanced" {
  description = "Whether Shield Advanced guards the load balancer. It is 3,000 USD a month for the whole organization."
  type        = bool
  default     = false
}

variable "controller_replicas" {
  description = "How many AWS Load Balancer Controllers run; one of them works."
  type        = number
  default     = 2
  validation {
    condition     = var.controller_replicas >= 1 && var.controller_replicas <= 3
    error_message = "From 1 to 3."
  }
}

variable "controller_scheduling" {
  description = "The nodes that the controller runs on: nodeSelector and tolerations, as in a pod."
  type = object({
    nodeSelector = optional(map(string), {})
    tolerations  = optional(list(map(string)), [])
  })
  default = {}
}
