terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  # The bucket, region and key come with `terraform init -backend-config=backend.hcl` (see the README).
  backend "s3" {
    key          = "organization/terraform.tfstate"
    encrypt      = true
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
