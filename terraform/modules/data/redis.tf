# Redis holds timers and rate limits, which are never evicted: when it is full it refuses, and Homing goes on with what
# Postgres knows. It may lose everything, so there are no snapshots (decision 21).

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
  tags       = var.tags
}

resource "aws_elasticache_parameter_group" "this" {
  name   = "${var.name}-redis7"
  family = "redis7"
  tags   = var.tags
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# auth_token has no write-only form yet. The state holds the first token only: the first rotation, which follows at once,
# replaces it, and Terraform does not look at it again.
resource "random_password" "redis" {
  length  = 64
  special = false
}

resource "aws_cloudwatch_log_group" "redis" {
  name              = "/aws/elasticache/${var.name}/slow"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = var.tags
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Timers and rate limits of Homing"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.redis.node_type
  num_cache_clusters         = var.redis.nodes
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = 6379
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.redis.id]

  at_rest_encryption_enabled = true
  kms_key_id                 = aws_kms_key.this.arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = random_password.redis.result
  auth_token_update_strategy = "ROTATE"

  snapshot_retention_limit   = 0
  maintenance_window         = "sun:03:30-sun:04:30"
  auto_minor_version_upgrade = false
  apply_immediately          = false

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.redis.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }

  tags = var.tags
  lifecycle {
    ignore_changes = [auth_token]
  }
}

# Who uses Redis: each has a copy of its own, below its name, where its role may read it.
resource "aws_secretsmanager_secret" "redis" {
  for_each                = toset(["deliver", "retry"])
  name                    = "${var.secret_prefix}/${each.key}/redis"
  description             = "How ${each.key} signs in to Redis"
  kms_key_id              = var.secrets_kms_key_arn
  recovery_window_in_days = 30
  tags                    = var.tags
}

# The version stays 1, so that Terraform does not write over what a rotation has written.
resource "aws_secretsmanager_secret_version" "redis" {
  for_each  = aws_secretsmanager_secret.redis
  secret_id = each.value.id
  secret_string_wo = jsonencode({
    host  = aws_elasticache_replication_group.this.primary_endpoint_address
    token = random_password.redis.result
  })
  secret_string_wo_version = 1
}
