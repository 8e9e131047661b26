# The function that rotates: cmd/homing-rotate. It lets two logins of each function take turns, so that what runs goes
# on with the old one until it starts anew.

resource "aws_security_group" "rotate" {
  name        = "${var.name}-rotate"
  description = "What rotates passwords"
  vpc_id      = var.rotation.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "database" {
  security_group_id            = aws_security_group.rotate.id
  description                  = "To the database, to change logins"
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
  referenced_security_group_id = var.database.security_group_id
}

resource "aws_vpc_security_group_egress_rule" "secrets_manager" {
  security_group_id = aws_security_group.rotate.id
  description       = "To Secrets Manager, by its endpoint in the network or by NAT"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = var.database.security_group_id
  description                  = "From what rotates passwords"
  ip_protocol                  = "tcp"
  from_port                    = var.database.port
  to_port                      = var.database.port
  referenced_security_group_id = aws_security_group.rotate.id
}

data "aws_iam_policy_document" "rotate_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

data "aws_iam_policy_document" "rotate" {
  statement {
    sid = "RotateLogins"
    actions = [
      "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue",
      "secretsmanager:UpdateSecretVersionStage",
    ]
    resources = [for s in aws_secretsmanager_secret.database : s.arn]
  }
  statement {
    sid       = "AdministerTheDatabase"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database.admin_secret_arn]
  }
  statement {
    sid       = "OpenAndSeal"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn, var.database.admin_kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.this.region}.amazonaws.com"]
    }
  }
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.rotate.arn}:*"]
  }
  statement {
    sid       = "StandInTheNetwork"
    actions   = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface"]
    resources = ["*"] # Lambda names its interfaces itself.
  }
}

resource "aws_iam_role" "rotate" {
  name               = "${var.name}-rotate"
  assume_role_policy = data.aws_iam_policy_document.rotate_trust.json
}

resource "aws_iam_role_policy" "rotate" {
  name   = "rotate"
  role   = aws_iam_role.rotate.id
  policy = data.aws_iam_policy_document.rotate.json
}

resource "aws_cloudwatch_log_group" "rotate" {
  name              = "/aws/lambda/${var.name}-rotate"
  retention_in_days = 90
}

resource "aws_lambda_function" "rotate" {
  function_name                  = "${var.name}-rotate"
  description                    = "Rotates the functions' logins to the database"
  role                           = aws_iam_role.rotate.arn
  package_type                   = "Image"
  image_uri                      = var.rotation.image
  architectures                  = ["arm64"]
  timeout                        = 60
  memory_size                    = 128
  reserved_concurrent_executions = 4 # Each secret by itself.

  environment {
    variables = { ADMIN_SECRET_ID = var.database.admin_secret_arn, PGSSLMODE = "require" }
  }
  vpc_config {
    subnet_ids         = var.rotation.subnet_ids
    security_group_ids = [aws_security_group.rotate.id]
  }

  depends_on = [aws_iam_role_policy.rotate, aws_cloudwatch_log_group.rotate]
}

resource "aws_lambda_permission" "rotate" {
  statement_id   = "SecretsManager"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.rotate.function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = data.aws_caller_identity.this.account_id
  source_arn     = "arn:aws:secretsmanager:${data.aws_region.this.region}:${data.aws_caller_identity.this.account_id}:secret:${var.prefix}/*"
}
