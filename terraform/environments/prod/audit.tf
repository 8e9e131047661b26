variable "alarm_emails" {
  description = "Who is told of broken rules, broken glass, and what costs too much."
  type        = list(string)
}

module "audit" {
  source     = "../../modules/audit"
  name       = local.name
  emails     = var.alarm_emails
  production = var.environment == "prod"
}

module "registry" {
  source         = "../../modules/registry"
  name           = local.name
  pull_role_arns = module.cluster.node_role_arns
  # Made by terraform/organization, as the pipeline must not make its own role.
  push_role_arns = ["arn:aws:iam::${var.account_id}:role/${local.name}-publish"]
}
