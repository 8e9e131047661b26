# One provider for each account. The organization's role in each is what sets up what nobody else there may change.

locals {
  role = { for name, id in module.accounts.account_ids : name => "arn:aws:iam::${id}:role/OrganizationAccountAccessRole" }
  tags = { project = "homing", managed-by = "terraform", owner = "homing", environment = "shared" }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "security"
  region = var.region
  assume_role {
    role_arn = local.role["homing-security"]
  }
  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "dev"
  region = var.region
  assume_role {
    role_arn = local.role["homing-dev"]
  }
  default_tags {
    tags = merge(local.tags, { environment = "dev" })
  }
}

provider "aws" {
  alias  = "staging"
  region = var.region
  assume_role {
    role_arn = local.role["homing-staging"]
  }
  default_tags {
    tags = merge(local.tags, { environment = "staging" })
  }
}

provider "aws" {
  alias  = "prod"
  region = var.region
  assume_role {
    role_arn = local.role["homing-prod"]
  }
  default_tags {
    tags = merge(local.tags, { environment = "prod" })
  }
}

provider "github" {
  owner = var.github_owner
}
