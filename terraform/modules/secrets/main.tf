# The secrets that functions start with. Their values are made in memory and written by write-only arguments, so neither
# a plan nor a state ever holds one.

locals {
  functions = toset(["ingest", "deliver", "retry", "manage"])
  # Those that seal and open endpoints' secrets.
  sealing = toset(["deliver", "manage"])
}

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

# --- The key

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "AccountAdministers"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.this.account_id}:root"]
    }
  }
  # Who decrypts does so through Secrets Manager, which asks the secret's own policy first.
  statement {
    sid       = "OnlyThroughSecretsManager"
    effect    = "Deny"
    actions   = ["kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringNotEqualsIfExists"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.this.region}.amazonaws.com"]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "Secrets of ${var.name}"
  enable_key_rotation     = true
  rotation_period_in_days = 365
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}-secrets"
  target_key_id = aws_kms_key.this.key_id
}

# --- Each function's login to the database

resource "aws_secretsmanager_secret" "database" {
  for_each                = local.functions
  name                    = "${var.prefix}/${each.key}/database"
  description             = "How ${each.key} gets into the database"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

ephemeral "random_password" "database" {
  for_each = local.functions
  length   = 48
  special  = false
}

# What is written here opens nothing yet: it says whose login this is. The first rotation, which comes with the schedule
# below, makes the login. Terraform writes it once and never again: the label `bootstrap` keeps the version from being
# cleaned away (Terraform would miss it, and write another over the present login), and where AWSCURRENT goes is
# rotation's affair.
resource "aws_secretsmanager_secret_version" "database" {
  for_each  = local.functions
  secret_id = aws_secretsmanager_secret.database[each.key].id
  secret_string_wo = jsonencode({
    role     = "homing_${each.key}"
    username = "homing_${each.key}_a"
    password = ephemeral.random_password.database[each.key].result
    host     = var.database.host
    port     = var.database.port
    dbname   = var.database.name
  })
  secret_string_wo_version = 1
  version_stages           = ["AWSCURRENT", "bootstrap"]

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [version_stages]
  }
}

resource "aws_secretsmanager_secret_rotation" "database" {
  for_each            = local.functions
  secret_id           = aws_secretsmanager_secret.database[each.key].id
  rotation_lambda_arn = aws_lambda_function.rotate.arn
  rotate_immediately  = true
  rotation_rules {
    automatically_after_days = var.rotation.days
  }
  depends_on = [aws_secretsmanager_secret_version.database, aws_lambda_permission.rotate]
}

# --- The keys that endpoints' secrets are sealed with

resource "aws_secretsmanager_secret" "encryption" {
  for_each                = local.sealing
  name                    = "${var.prefix}/${each.key}/encryption-keys"
  description             = "HOMING_ENCRYPTION_KEYS: the same for ${join(" and ", local.sealing)}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

# 32 characters of 88 kinds: 206 bits. One value, written to both.
ephemeral "random_password" "encryption" {
  length           = 32
  override_special = "!#$%&()*+,-./:;<=>?@[]^_{|}~"
}

# Written once, as above: what was sealed with a key that is gone cannot be opened again. A key is replaced by putting a
# new one in front of it, by hand (see the README).
resource "aws_secretsmanager_secret_version" "encryption" {
  for_each                 = local.sealing
  secret_id                = aws_secretsmanager_secret.encryption[each.key].id
  secret_string_wo         = "k1:${base64encode(ephemeral.random_password.encryption.result)}"
  secret_string_wo_version = 1
  version_stages           = ["AWSCURRENT", "bootstrap"]

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [version_stages]
  }
}

# --- What only people know

resource "aws_secretsmanager_secret" "by_hand" {
  for_each                = var.by_hand
  name                    = "${var.prefix}/${each.key}"
  description             = each.value
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

# --- Who reads them

data "aws_iam_policy_document" "reader" {
  for_each = local.functions
  # Whatever a role's own policies say.
  statement {
    sid       = "OnlyItsReader"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [var.reader_role_arns[each.key], aws_iam_role.rotate.arn]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "database" {
  for_each            = local.functions
  secret_arn          = aws_secretsmanager_secret.database[each.key].arn
  policy              = data.aws_iam_policy_document.reader[each.key].json
  block_public_policy = true
}

resource "aws_secretsmanager_secret_policy" "encryption" {
  for_each            = local.sealing
  secret_arn          = aws_secretsmanager_secret.encryption[each.key].arn
  policy              = data.aws_iam_policy_document.reader[each.key].json
  block_public_policy = true
}
