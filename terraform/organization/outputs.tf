output "account_ids" {
  description = "The accounts' ids, by name."
  value       = module.accounts.account_ids
}

output "state" {
  description = "Where each state is: bucket and key, as the backends have them."
  value = {
    organization = { bucket = module.state_organization.bucket, kms_key_id = module.state_organization.kms_key_arn }
    dev          = { bucket = module.state_dev.bucket, kms_key_id = module.state_dev.kms_key_arn }
    staging      = { bucket = module.state_staging.bucket, kms_key_id = module.state_staging.kms_key_arn }
    prod         = { bucket = module.state_prod.bucket, kms_key_id = module.state_prod.kms_key_arn }
  }
}

output "ci_role_arns" {
  description = "The pipeline's roles, by environment."
  value = {
    dev     = module.ci_dev.role_arns
    staging = module.ci_staging.role_arns
    prod    = module.ci_prod.role_arns
  }
}
