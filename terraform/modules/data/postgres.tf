# Postgres is the only truth: a standby in another zone, every commit on disk, and no connection without TLS.

locals {
  postgres_major = split(".", var.postgres_version)[0]
  parameters = {
    "rds.force_ssl"            = { value = "1", method = "pending-reboot" }
    "ssl_min_protocol_version" = { value = "TLSv1.2", method = "immediate" }
    "password_encryption"      = { value = "scram-sha-256", method = "immediate" }
    "max_connections"          = { value = tostring(var.postgres.max_connections), method = "pending-reboot" }
    # Accepted means durable: an answer after a commit that could still be lost would be a lie.
    "synchronous_commit" = { value = "on", method = "immediate" }
    # Statements are logged when they change the schema or are slow; parameters are not, for payloads are among them.
    "log_statement"                       = { value = "ddl", method = "immediate" }
    "log_min_duration_statement"          = { value = "1000", method = "immediate" }
    "log_parameter_max_length"            = { value = "0", method = "immediate" }
    "log_parameter_max_length_on_error"   = { value = "0", method = "immediate" }
    "log_connections"                     = { value = "1", method = "immediate" }
    "log_disconnections"                  = { value = "1", method = "immediate" }
    "log_lock_waits"                      = { value = "1", method = "immediate" }
    "idle_in_transaction_session_timeout" = { value = "60000", method = "immediate" }
    "shared_preload_libraries"            = { value = "pg_stat_statements", method = "pending-reboot" }
  }
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
  tags       = var.tags
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-postgres${local.postgres_major}-"
  family      = "postgres${local.postgres_major}"
  tags        = var.tags
  dynamic "parameter" {
    for_each = local.parameters
    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.method
    }
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "postgres" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.this.arn
  tags              = var.tags
}

data "aws_iam_policy_document" "assume_monitoring" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-postgres-monitoring"
  assume_role_policy = data.aws_iam_policy_document.assume_monitoring.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = var.postgres.instance_class
  db_name        = "homing"
  username       = "homing_owner"

  # The password is made, kept and rotated by Secrets Manager: it is in no state.
  manage_master_user_password   = true
  master_user_secret_kms_key_id = aws_kms_key.this.key_id

  storage_type          = "gp3"
  allocated_storage     = var.postgres.storage_gib
  max_allocated_storage = var.postgres.max_storage_gib
  storage_encrypted     = true
  kms_key_id            = aws_kms_key.this.arn

  multi_az               = var.postgres.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.postgres.id]
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period   = var.postgres.backup_days
  backup_window             = "01:00-02:00"
  maintenance_window        = "sun:02:30-sun:03:30"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.postgres.protected
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  auto_minor_version_upgrade          = false # versions are pinned here
  iam_database_authentication_enabled = true  # for people
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.this.arn
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]

  tags       = merge(var.tags, { "homing:backup" = "daily" })
  depends_on = [aws_cloudwatch_log_group.postgres]
}
