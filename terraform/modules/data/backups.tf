# Three nets. RDS itself: a daily snapshot and the log since, for any point in time, copied to the other region. AWS
# Backup: a daily copy of the database and of RabbitMQ's volumes in a vault that nobody can empty before time, and a
# second in the other region.

resource "aws_db_instance_automated_backups_replication" "this" {
  region                 = var.backup_region
  source_db_instance_arn = aws_db_instance.this.arn
  retention_period       = var.postgres.backup_days
  kms_key_id             = aws_kms_replica_key.backup.arn
}

resource "aws_backup_vault" "local" {
  name        = var.name
  kms_key_arn = aws_kms_key.this.arn
  tags        = var.tags
}

resource "aws_backup_vault" "copy" {
  region      = var.backup_region
  name        = "${var.name}-copy"
  kms_key_arn = aws_kms_replica_key.backup.arn
  tags        = var.tags
}

resource "aws_backup_vault_lock_configuration" "local" {
  backup_vault_name  = aws_backup_vault.local.name
  min_retention_days = 7
  max_retention_days = 400
}

resource "aws_backup_vault_lock_configuration" "copy" {
  region             = var.backup_region
  backup_vault_name  = aws_backup_vault.copy.name
  min_retention_days = 7
  max_retention_days = 400
}

resource "aws_backup_plan" "daily" {
  name = var.name
  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.local.name
    schedule          = "cron(0 3 * * ? *)"
    start_window      = 60
    completion_window = 360
    lifecycle {
      delete_after = var.postgres.backup_days
    }
    copy_action {
      destination_vault_arn = aws_backup_vault.copy.arn
      lifecycle {
        delete_after = var.postgres.backup_days
      }
    }
  }
  tags = var.tags
}

data "aws_iam_policy_document" "assume_backup" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["backup.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "backup" {
  name               = "${var.name}-backup"
  assume_role_policy = data.aws_iam_policy_document.assume_backup.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "backup" {
  for_each   = toset(["AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"])
  role       = aws_iam_role.backup.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/${each.key}"
}

# The database carries the tag, and so do the volumes of the storage class gp3 (module kubernetes).
resource "aws_backup_selection" "daily" {
  name         = "tagged"
  plan_id      = aws_backup_plan.daily.id
  iam_role_arn = aws_iam_role.backup.arn
  selection_tag {
    type  = "STRINGEQUALS"
    key   = "homing:backup"
    value = "daily"
  }
}
