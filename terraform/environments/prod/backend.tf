# The state of this environment alone, in its own account, locked while it is written.
terraform {
  backend "s3" {
    bucket       = "homing-prod-terraform-state"
    key          = "environments/prod.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    kms_key_id   = "alias/homing-prod-terraform-state"
    use_lockfile = true
  }
}
