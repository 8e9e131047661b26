mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  override_resource {
    target = aws_db_instance.this
    values = { master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!owner" }] }
  }
}

mock_provider "random" {}

variables {
  name                      = "homing-test"
  vpc_id                    = "vpc-1"
  subnet_ids                = ["subnet-a", "subnet-b", "subnet-c"]
  client_security_group_id  = "sg-nodes"
  backup_region             = "eu-west-1"
  secrets_kms_key_arn       = "arn:aws:kms:eu-central-1:111122223333:key/secrets"
  database_user_secret_arns = { homing_ingest = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ingest" }
  postgres = {
    instance_class  = "db.r5.large"
    storage_gib     = 100
    max_storage_gib = 1000
    max_connections = 1000
    multi_az        = true
    backup_days     = 35
    protected       = true
  }
  redis         = { node_type = "cache.r7g.large", nodes = 3 }
  secret_prefix = "homing/test"
}

run "postgres_is_durable" {
  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot
    error_message = "Postgres needs a standby and protection from deletion."
  }
  assert {
    condition     = aws_db_instance.this.backup_retention_period == 35 && !aws_db_instance.this.delete_automated_backups
    error_message = "One must be able to go back to a point in time."
  }
  assert {
    condition     = tonumber(split(".", aws_db_instance.this.engine_version)[0]) >= 15
    error_message = "Homing needs Postgres 15."
  }
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.value }["synchronous_commit"] == "on"
    error_message = "A commit that is answered must be on disk."
  }
}

run "postgres_is_closed" {
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == aws_kms_key.this.arn && aws_db_instance.this.storage_type == "gp3"
    error_message = "Storage must be gp3, encrypted by our key."
  }
  assert {
    condition = alltrue([for name, value in { "rds.force_ssl" = "1", "ssl_min_protocol_version" = "TLSv1.2", "password_encryption" = "scram-sha-256" } :
    { for p in aws_db_parameter_group.this.parameter : p.name => p.value }[name] == value])
    error_message = "Connections must be TLS 1.2 or later, passwords SCRAM."
  }
  assert {
    condition = alltrue([for name, value in { "log_statement" = "ddl", "log_connections" = "1", "log_parameter_max_length" = "0", "log_parameter_max_length_on_error" = "0" } :
    { for p in aws_db_parameter_group.this.parameter : p.name => p.value }[name] == value])
    error_message = "Connections and changes of the schema are logged, parameters (payloads) never."
  }
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_subnet_group.this.subnet_ids == toset(var.subnet_ids)
    error_message = "Postgres must be in the data subnets only."
  }
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null
    error_message = "The owner's password must not be in the state."
  }
}

run "backups_leave_the_region" {
  assert {
    condition     = aws_db_instance_automated_backups_replication.this.region == "eu-west-1" && aws_db_instance_automated_backups_replication.this.kms_key_id == aws_kms_replica_key.backup.arn
    error_message = "Snapshots and log must be copied to the other region, under a key that lives there."
  }
  assert {
    condition     = one(one(aws_backup_plan.daily.rule).copy_action).destination_vault_arn == aws_backup_vault.copy.arn && aws_backup_vault.copy.region == "eu-west-1"
    error_message = "The daily backup must be copied to the other region."
  }
  assert {
    condition     = alltrue([for lock in [aws_backup_vault_lock_configuration.local, aws_backup_vault_lock_configuration.copy] : lock.min_retention_days >= 7])
    error_message = "Backups must not be deleted before time."
  }
  assert {
    condition     = one(aws_backup_selection.daily.selection_tag).key == "homing:backup" && aws_db_instance.this.tags["homing:backup"] == one(aws_backup_selection.daily.selection_tag).value
    error_message = "The plan must pick the database."
  }
}

run "the_proxy" {
  assert {
    condition     = aws_db_proxy.this.require_tls && alltrue([for a in aws_db_proxy.this.auth : a.client_password_auth_type == "POSTGRES_SCRAM_SHA_256"])
    error_message = "The proxy must ask for TLS and SCRAM."
  }
  assert {
    condition     = toset(data.aws_iam_policy_document.proxy.statement[0].resources) == toset([local.owner_secret_arn, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:ingest"])
    error_message = "The proxy reads the passwords of its users and no others."
  }
  assert {
    condition     = aws_db_proxy_default_target_group.this.connection_pool_config[0].max_connections_percent <= 90
    error_message = "Some connections must stay for migrations."
  }
}

run "redis_forgets_no_timer" {
  assert {
    condition     = one(aws_elasticache_parameter_group.this.parameter).name == "maxmemory-policy" && one(aws_elasticache_parameter_group.this.parameter).value == "noeviction"
    error_message = "Timers must not be evicted."
  }
  assert {
    condition     = aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.automatic_failover_enabled
    error_message = "Another zone's Redis must take over."
  }
  assert {
    condition = (aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required"
    && aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" && aws_elasticache_replication_group.this.auth_token == random_password.redis.result)
    error_message = "Redis must be encrypted, at rest and on the way, and ask for a password."
  }
}

run "who_signs_in_to_redis" {
  assert {
    condition     = toset([for s in aws_secretsmanager_secret.redis : s.name]) == toset(["homing/test/deliver/redis", "homing/test/retry/redis"])
    error_message = "deliver and retry use Redis, each with a secret below its name."
  }
  assert {
    condition     = alltrue([for v in aws_secretsmanager_secret_version.redis : v.secret_string == null])
    error_message = "The secrets must be written by write-only arguments."
  }
}

run "who_may_connect" {
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.this : rule.cidr_ipv4 == null && rule.referenced_security_group_id != null])
    error_message = "A database is open to addresses instead of security groups."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.this : rule.to_port]) == toset([5432, 6379])
    error_message = "Only Postgres and Redis are there to be connected to."
  }
}

run "no_amazon_mq_by_default" {
  assert {
    condition     = length(aws_mq_broker.this) == 0
    error_message = "RabbitMQ runs in the cluster unless asked otherwise."
  }
}

run "amazon_mq_on_demand" {
  variables {
    rabbitmq_service = "amazon-mq"
  }
  assert {
    condition     = aws_mq_broker.this[0].deployment_mode == "CLUSTER_MULTI_AZ" && !aws_mq_broker.this[0].publicly_accessible && !aws_mq_broker.this[0].encryption_options[0].use_aws_owned_key
    error_message = "Amazon MQ must be a cluster of three, private, under our key."
  }
  assert {
    condition     = aws_mq_broker.this[0].engine_type == "RabbitMQ" && aws_mq_broker.this[0].engine_version == "3.13"
    error_message = "RabbitMQ must be 3.13 or later."
  }
}

run "refuses_no_backups" {
  command = plan
  variables {
    postgres = {
      instance_class  = "db.r5.large"
      storage_gib     = 100
      max_storage_gib = 1000
      max_connections = 1000
      multi_az        = true
      backup_days     = 0
      protected       = true
    }
  }
  expect_failures = [var.postgres]
}

run "refuses_one_redis" {
  command = plan
  variables {
    redis = { node_type = "cache.t4g.small", nodes = 1 }
  }
  expect_failures = [var.redis]
}

run "refuses_an_old_rabbitmq" {
  command = plan
  variables {
    amazon_mq = { version = "3.11" }
  }
  expect_failures = [var.amazon_mq]
}

run "refuses_an_old_postgres" {
  command = plan
  variables {
    postgres_version = "14.9"
  }
  expect_failures = [var.postgres_version]
}
