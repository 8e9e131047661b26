# The proxy keeps clients' connections over a failover, and bounds what many small processes may open. It is for clients
# that hold no session; the README says why the functions and migrations connect to the database itself.

data "aws_iam_policy_document" "assume_proxy" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["rds.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

locals {
  owner_secret_arn  = aws_db_instance.this.master_user_secret[0].secret_arn
  proxy_secret_arns = concat([local.owner_secret_arn], values(var.database_user_secret_arns))
}

data "aws_iam_policy_document" "proxy" {
  statement {
    sid       = "PasswordsOfItsUsers"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.proxy_secret_arns
  }
  statement {
    sid       = "OpenThem"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn, var.secrets_kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "proxy" {
  name               = "${var.name}-postgres-proxy"
  assume_role_policy = data.aws_iam_policy_document.assume_proxy.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "proxy" {
  name   = "secrets"
  role   = aws_iam_role.proxy.id
  policy = data.aws_iam_policy_document.proxy.json
}

resource "aws_db_proxy" "this" {
  name                   = var.name
  engine_family          = "POSTGRESQL"
  role_arn               = aws_iam_role.proxy.arn
  require_tls            = true
  idle_client_timeout    = 1800
  vpc_subnet_ids         = var.subnet_ids
  vpc_security_group_ids = [aws_security_group.proxy.id]

  dynamic "auth" {
    for_each = merge({ homing_owner = local.owner_secret_arn }, var.database_user_secret_arns)
    content {
      auth_scheme               = "SECRETS"
      client_password_auth_type = "POSTGRES_SCRAM_SHA_256"
      iam_auth                  = "DISABLED"
      description               = auth.key
      secret_arn                = auth.value
    }
  }

  tags       = var.tags
  depends_on = [aws_iam_role_policy.proxy]
}

# Ten percent stay for migrations, people and RDS itself.
resource "aws_db_proxy_default_target_group" "this" {
  db_proxy_name = aws_db_proxy.this.name
  connection_pool_config {
    max_connections_percent      = 90
    max_idle_connections_percent = 50
    connection_borrow_timeout    = 30
  }
}

resource "aws_db_proxy_target" "this" {
  db_proxy_name          = aws_db_proxy.this.name
  target_group_name      = aws_db_proxy_default_target_group.this.name
  db_instance_identifier = aws_db_instance.this.identifier
}
