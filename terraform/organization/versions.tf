terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  # Made by this configuration itself: see the README for the first time.
  backend "s3" {
    bucket       = "homing-organization-terraform-state"
    key          = "organization.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    kms_key_id   = "alias/homing-organization-terraform-state"
    use_lockfile = true
  }

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
    github = {
      source  = "integrations/github"
      version = "~> 6.9"
    }
  }
}
