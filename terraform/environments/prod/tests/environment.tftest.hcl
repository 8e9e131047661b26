# The whole environment with its own sizes, on mocks: that its parts fit, and that it is closed and durable.

mock_provider "aws" {
  override_during = plan
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_acm_certificate" {
    defaults = { domain_validation_options = [] }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC" }
  }
  override_resource {
    target = module.cluster.aws_eks_cluster.this
    values = {
      certificate_authority = [{ data = "QUJD" }]
      identity              = [{ oidc = [{ issuer = "https://oidc.eks.eu-central-1.amazonaws.com/id/ABC" }] }]
    }
  }
  override_resource {
    target = module.data.aws_db_instance.this
    values = {
      address            = "db.example"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!owner" }]
    }
  }
}

mock_provider "helm" {}

mock_provider "kubernetes" {}

# random is not mocked: ephemeral values cannot be, and it asks nobody.

mock_provider "tls" {
  mock_data "tls_certificate" {
    defaults = { certificates = [{ sha1_fingerprint = "abc" }] }
  }
}

run "the_parts_fit" {
  command = plan
  assert {
    condition     = module.cluster.version == "1.34"
    error_message = "Every environment is pinned to the same version of Kubernetes."
  }
  assert {
    condition     = length(module.network.data_subnet_ids) == 3 && length(setintersection(module.network.data_cidrs, module.network.private_cidrs)) == 0
    error_message = "Databases have subnets of their own in three zones."
  }
  assert {
    condition     = module.rabbitmq.host == "rabbitmq.homing.svc.cluster.local"
    error_message = "RabbitMQ must be where eventing/broker-config.yaml and the secrets look for it."
  }
  assert {
    condition     = output.database_address == "db.example"
    error_message = "Migrations must be told where Postgres is."
  }
}

run "it_is_guarded_and_watched" {
  command = plan
  assert {
    condition     = module.secrets.names == sort(module.secrets.names) && contains(module.secrets.names, "homing/${var.environment}/ingest/database")
    error_message = "Functions find their secrets under the environment's name."
  }
  assert {
    condition     = contains(module.audit.rule_names, "homing-${var.environment}-alb-behind-firewall")
    error_message = "The account is held against rules."
  }
  assert {
    condition     = module.budgets.budget_name == "homing-${var.environment}-monthly" && var.monthly_usd > 0
    error_message = "Somebody hears when it costs too much."
  }
}

run "its_public_names" {
  command = plan
  assert {
    condition = module.edge.hosts == concat(
      ["events.${var.domain}", "api.${var.domain}"], var.probes ? ["probe.${var.domain}"] : []
    )
    error_message = "Events, the API, and the probes where there are some: ${join(", ", module.edge.hosts)}"
  }
}

run "it_knows_its_own_place" {
  command = plan
  assert {
    condition     = local.tags.environment == var.environment && local.name == "homing-${var.environment}" && local.prefix == "homing/${var.environment}"
    error_message = "Names and tags must say which environment it is."
  }
  assert {
    condition     = var.postgres.multi_az && var.redis.nodes >= 2
    error_message = "Data must survive the loss of a zone in every environment."
  }
}

run "refuses_copies_in_its_own_region" {
  command = plan
  variables {
    backup_region = "eu-central-1"
  }
  expect_failures = [var.backup_region]
}
