# The state of this environment alone, in its own account, locked while it is written.
terraform {
  backend "s3" {
    bucket       = "homing-staging-terraform-state"
    key          = "environments/staging.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    kms_key_id   = "alias/homing-staging-terraform-state"
    use_lockfile = true
  }
}
