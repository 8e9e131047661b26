variable "monthly_usd" {
  description = "What the account may cost in a month, in US dollars: docs/costs.md and some room."
  type        = number
}

module "budgets" {
  source      = "../../modules/budgets"
  name        = local.name
  monthly_usd = var.monthly_usd
  emails      = var.alarm_emails
}
