# How the pipeline gets into one account: by OIDC, with no key to store. `plan` looks, for finding drift; `publish`
# pushes and signs images; `deploy` changes things. The last two are for jobs of one GitHub environment, before which
# its approvals stand.

locals {
  issuer = "token.actions.githubusercontent.com"
  # Who may become which role: the `sub` that GitHub gives a job.
  subjects = {
    plan    = ["repo:${var.repository}:ref:refs/heads/main"]
    publish = ["repo:${var.repository}:environment:${var.environment}"]
    deploy  = ["repo:${var.repository}:environment:${var.environment}"]
  }
}

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "trust" {
  for_each = local.subjects
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.github.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = each.value
    }
  }
}

resource "aws_iam_role" "this" {
  for_each             = local.subjects
  name                 = "${var.name}-${each.key}"
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  max_session_duration = 3600
}

# --- plan: look at everything, but at no content; lock the state

resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.this["plan"].name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

data "aws_iam_policy_document" "plan" {
  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = ["arn:aws:s3:::${var.state_bucket}", "arn:aws:s3:::${var.state_bucket}/*"]
  }
  statement {
    sid       = "LockState"
    actions   = ["s3:PutObject", "s3:DeleteObject"]
    resources = ["arn:aws:s3:::${var.state_bucket}/*.tflock"]
  }
  statement {
    sid       = "OpenState"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.state_kms_key_arn]
  }
  statement {
    sid       = "NoContents"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue", "ssm:GetParameter*", "rds:DownloadDBLogFilePortion", "logs:GetLogEvents", "logs:FilterLogEvents", "logs:StartQuery"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "plan" {
  name   = "plan"
  role   = aws_iam_role.this["plan"].id
  policy = data.aws_iam_policy_document.plan.json
}

# --- publish: push and sign images, and nothing else

data "aws_iam_policy_document" "publish" {
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # It has no resources.
  }
  statement {
    sid = "PushAndVerify"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:ListImageReferrers",
      "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = ["arn:aws:ecr:${data.aws_region.this.region}:${data.aws_caller_identity.this.account_id}:repository/homing/*"]
  }
  statement {
    sid       = "Sign"
    actions   = ["kms:Sign", "kms:GetPublicKey", "kms:DescribeKey"]
    resources = ["arn:aws:kms:${data.aws_region.this.region}:${data.aws_caller_identity.this.account_id}:key/*"]
    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "kms:ResourceAliases"
      values   = ["alias/${var.name}-signing"]
    }
  }
}

resource "aws_iam_role_policy" "publish" {
  name   = "publish"
  role   = aws_iam_role.this["publish"].id
  policy = data.aws_iam_policy_document.publish.json
}

# --- deploy: apply Terraform, and roll out. The organization's guard rails bind it like everybody

resource "aws_iam_role_policy_attachment" "deploy" {
  role       = aws_iam_role.this["deploy"].name
  policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
}

data "aws_iam_policy_document" "deploy" {
  # What it would take to stay once the job has ended, or to see what it never needs to see.
  statement {
    sid    = "LeaveTheDoorAlone"
    effect = "Deny"
    actions = [
      "iam:UpdateAssumeRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy",
      "iam:DeleteRolePolicy", "iam:DeleteRole", "iam:UpdateOpenIDConnectProviderThumbprint",
      "iam:AddClientIDToOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider",
    ]
    resources = concat(
      ["arn:aws:iam::${data.aws_caller_identity.this.account_id}:oidc-provider/${local.issuer}"],
      [for role in keys(local.subjects) : "arn:aws:iam::${data.aws_caller_identity.this.account_id}:role/${var.name}-${role}"],
    )
  }
  statement {
    sid       = "NoContents"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue", "rds:DownloadDBLogFilePortion"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "deploy" {
  name   = "limits"
  role   = aws_iam_role.this["deploy"].id
  policy = data.aws_iam_policy_document.deploy.json
}
