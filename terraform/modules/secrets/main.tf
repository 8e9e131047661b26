# The secrets that functions start with. Their values are made in memory and written by write-only arguments, so neither
# a plan nor a state ever holds one.

locals {
  functions = toset(["ingest", "deliver", "retry", "manage"])
  # Those that seal and open endpoints' secrets.
  sealing = toset(["deliver", "manage"])
  # Two logins of each function take turns.
  logins = { for pair in setproduct(local.functions, ["a", "b"]) : "homing_${pair[0]}_${pair[1]}" => {
    function = pair[0], turn = pair[1]
  } }
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
    logins   = "${var.prefix}/${each.key}/login-"
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

# --- What the proxy knows them by: each login by itself, so that it lets in the one before as well as the present one

resource "aws_secretsmanager_secret" "login" {
  for_each                = local.logins
  name                    = "${var.prefix}/${each.value.function}/login-${each.value.turn}"
  description             = "Login ${each.key}, for the database's proxy"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 30
}

# Opens nothing either, until the login's first turn: a proxy wants something to be there.
resource "aws_secretsmanager_secret_version" "login" {
  for_each  = local.logins
  secret_id = aws_secretsmanager_secret.login[each.key].id
  secret_string_wo = jsonencode({
    username = each.key
    password = ephemeral.random_password.database[each.value.function].result
  })
  secret_string_wo_version = 1
  version_stages           = ["AWSCURRENT", "bootstrap"]

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [version_stages]
  }
}

data "aws_iam_policy_document" "login" {
  statement {
    sid       = "OnlyTheProxy"
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
      values   = [var.database.proxy_role_arn]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "login" {
  for_each            = local.logins
  secret_arn          = aws_secretsmanager_secret.login[each.key].arn
  policy              = data.aws_iam_policy_document.login.json
  block_public_policy = true
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
