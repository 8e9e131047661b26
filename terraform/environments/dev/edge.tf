variable "max_payload_bytes" {
  description = "The largest body that Homing takes: HOMING_MAX_PAYLOAD, in bytes."
  type        = number
  default     = 1048576
}

variable "events_per_5_minutes" {
  description = "How many requests one address may make in 5 minutes where events are sent."
  type        = number
}

variable "probes" {
  description = "Whether the probes of monitoring/probe run here, and so need a public name."
  type        = bool
}

variable "shield_advanced" {
  description = "Whether Shield Advanced guards the load balancer."
  type        = bool
  default     = false
}

# Made by hand, as the registrar must name its servers: `aws route53 create-hosted-zone`.
data "aws_route53_zone" "this" {
  name = var.domain
}

module "edge" {
  source                 = "../../modules/edge"
  name                   = local.name
  vpc_id                 = module.network.vpc_id
  public_subnet_ids      = module.network.public_subnet_ids
  cluster_name           = module.cluster.name
  oidc_provider_arn      = module.cluster.oidc_provider_arn
  node_security_group_id = module.cluster.node_security_group_id
  zone_id                = data.aws_route53_zone.this.zone_id
  zone_name              = var.domain
  events_host            = "events.${var.domain}"
  api_host               = "api.${var.domain}"
  probe_host             = var.probes ? "probe.${var.domain}" : null
  max_payload_bytes      = var.max_payload_bytes
  events_per_5_minutes   = var.events_per_5_minutes
  shield_advanced        = var.shield_advanced
  alarm_topic_arn        = module.audit.alarm_topic_arn
  log_days               = var.log_retention_days
  controller_replicas    = var.replicas
  controller_scheduling = {
    nodeSelector = { "homing.io/group" = "system" }
    tolerations  = [{ key = "CriticalAddonsOnly", operator = "Exists" }]
  }
  ready = module.platform.ready
}
