# One environment: its own account, network, cluster and data. All three are made of the same files: this one and its
# neighbours are the same in dev, staging and prod; backend.tf and environment.auto.tfvars differ.

locals {
  name   = "homing-${var.environment}"
  prefix = "homing/${var.environment}" # of names in Secrets Manager
  tags = {
    project     = "homing"
    environment = var.environment
    owner       = var.owner
    managed-by  = "terraform"
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
  default_tags {
    tags = local.tags
  }
}

locals {
  # Asked at the moment of use: a token in the state would be a credential, and stale.
  cluster_login = ["eks", "get-token", "--cluster-name", module.cluster.name, "--region", var.region]
}

provider "kubernetes" {
  host                   = module.cluster.endpoint
  cluster_ca_certificate = module.cluster.certificate_authority
  exec {
    api_version = "client.authentication.k8s.io/v1beta1"
    command     = "aws"
    args        = local.cluster_login
  }
}

provider "helm" {
  kubernetes = {
    host                   = module.cluster.endpoint
    cluster_ca_certificate = module.cluster.certificate_authority
    exec = {
      api_version = "client.authentication.k8s.io/v1beta1"
      command     = "aws"
      args        = local.cluster_login
    }
  }
}
