# What stands above the environments: their accounts, what none of them may do, where their states are, how the pipeline
# gets into them, what watches them, and the repository. Applied by people, seldom; see the README.

data "aws_caller_identity" "this" {}

module "accounts" {
  source  = "../modules/accounts"
  regions = concat([var.region], var.other_regions)
  accounts = {
    homing-security = { email = "aws-security@${var.email_domain}", unit = "security" }
    homing-dev      = { email = "aws-dev@${var.email_domain}", unit = "non-production" }
    homing-staging  = { email = "aws-staging@${var.email_domain}", unit = "non-production" }
    homing-prod     = { email = "aws-prod@${var.email_domain}", unit = "production" }
  }
  assignments = var.assignments
}

# --- Each account's state is in that account

module "state_organization" {
  source     = "../modules/state"
  name       = "homing-organization"
  account_id = data.aws_caller_identity.this.account_id
}

module "state_dev" {
  source     = "../modules/state"
  providers  = { aws = aws.dev }
  name       = "homing-dev"
  account_id = module.accounts.account_ids["homing-dev"]
}

module "state_staging" {
  source     = "../modules/state"
  providers  = { aws = aws.staging }
  name       = "homing-staging"
  account_id = module.accounts.account_ids["homing-staging"]
}

module "state_prod" {
  source     = "../modules/state"
  providers  = { aws = aws.prod }
  name       = "homing-prod"
  account_id = module.accounts.account_ids["homing-prod"]
}

# --- The pipeline

module "ci_dev" {
  source            = "../modules/ci"
  providers         = { aws = aws.dev }
  name              = "homing-dev"
  repository        = "${var.github_owner}/homing"
  environment       = "dev"
  state_bucket      = module.state_dev.bucket
  state_kms_key_arn = module.state_dev.kms_key_arn
}

module "ci_staging" {
  source            = "../modules/ci"
  providers         = { aws = aws.staging }
  name              = "homing-staging"
  repository        = "${var.github_owner}/homing"
  environment       = "staging"
  state_bucket      = module.state_staging.bucket
  state_kms_key_arn = module.state_staging.kms_key_arn
}

module "ci_prod" {
  source            = "../modules/ci"
  providers         = { aws = aws.prod }
  name              = "homing-prod"
  repository        = "${var.github_owner}/homing"
  environment       = "prod"
  state_bucket      = module.state_prod.bucket
  state_kms_key_arn = module.state_prod.kms_key_arn
}

module "github" {
  source = "../modules/github"
}

# --- What watches

module "posture" {
  source                = "../modules/posture"
  providers             = { aws.management = aws, aws.security = aws.security }
  organization_id       = module.accounts.organization_id
  management_account_id = data.aws_caller_identity.this.account_id
  security_account_id   = module.accounts.security_account_id
  region                = var.region
  emails                = var.security_emails
}

# Bills are read by these.
resource "aws_ce_cost_allocation_tag" "this" {
  for_each = toset(["environment", "project"])
  tag_key  = each.key
  status   = "Active"
}
