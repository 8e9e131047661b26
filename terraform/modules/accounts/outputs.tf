output "organization_id" {
  description = "The organization's id, o-…"
  value       = aws_organizations_organization.this.id
}

output "account_ids" {
  description = "The accounts' ids, by name."
  value       = { for name, account in aws_organizations_account.this : name => account.id }
}

output "security_account_id" {
  description = "The account that keeps the logs and watches over the others."
  value       = one([for name, a in var.accounts : aws_organizations_account.this[name].id if a.unit == "security"])
}

output "unit_ids" {
  description = "The units' ids, by name."
  value       = { for name, unit in aws_organizations_organizational_unit.this : name => unit.id }
}
