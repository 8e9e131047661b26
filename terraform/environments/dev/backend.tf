# The state of this environment alone, in its own account, locked while it is written.
terraform {
  backend "s3" {
    bucket       = "homing-dev-terraform-state"
    key          = "environments/dev.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    kms_key_id   = "alias/homing-dev-terraform-state"
    use_lockfile = true
  }
}
