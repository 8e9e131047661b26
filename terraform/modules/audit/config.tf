# AWS Config: the history of everything's configuration, and the rules that it is held against.

locals {
  rules = merge({
    alb-tls-listeners       = { identifier = "ELB_TLS_HTTPS_LISTENERS_ONLY" }
    alb-behind-firewall     = { identifier = "ALB_WAF_ENABLED" }
    cloudtrail-on           = { identifier = "CLOUD_TRAIL_ENABLED" }
    default-group-closed    = { identifier = "VPC_DEFAULT_SECURITY_GROUP_CLOSED" }
    ecr-scanned             = { identifier = "ECR_PRIVATE_IMAGE_SCANNING_ENABLED" }
    ecr-tags-immutable      = { identifier = "ECR_PRIVATE_TAG_IMMUTABILITY_ENABLED" }
    eks-endpoint-private    = { identifier = "EKS_ENDPOINT_NO_PUBLIC_ACCESS" }
    eks-secrets-encrypted   = { identifier = "EKS_SECRETS_ENCRYPTED" }
    guardduty-on            = { identifier = "GUARDDUTY_ENABLED_CENTRALIZED" }
    keys-not-to-be-deleted  = { identifier = "KMS_CMK_NOT_SCHEDULED_FOR_DELETION" }
    no-ssh-from-anywhere    = { identifier = "INCOMING_SSH_DISABLED" }
    no-statement-allows-all = { identifier = "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS" }
    rds-backed-up           = { identifier = "DB_INSTANCE_BACKUP_ENABLED" }
    rds-encrypted           = { identifier = "RDS_STORAGE_ENCRYPTED" }
    rds-private             = { identifier = "RDS_INSTANCE_PUBLIC_ACCESS_CHECK" }
    redis-backed-up         = { identifier = "ELASTICACHE_REDIS_CLUSTER_AUTOMATIC_BACKUP_CHECK" }
    s3-only-tls             = { identifier = "S3_BUCKET_SSL_REQUESTS_ONLY" }
    s3-private              = { identifier = "S3_BUCKET_PUBLIC_READ_PROHIBITED" }
    secrets-under-own-key   = { identifier = "SECRETSMANAGER_USING_CMK" }
    secrets-rotated-in-time = { identifier = "SECRETSMANAGER_SCHEDULED_ROTATION_SUCCESS_CHECK" }
    volumes-encrypted       = { identifier = "ENCRYPTED_VOLUMES" }
    vpc-flow-logs           = { identifier = "VPC_FLOW_LOGS_ENABLED" }
    tagged = {
      identifier = "REQUIRED_TAGS"
      input      = { for i, tag in var.required_tags : "tag${i + 1}Key" => tag }
    }
    }, var.production ? {
    rds-in-several-zones = { identifier = "RDS_MULTI_AZ_SUPPORT" }
  } : {})
  recorder = "${var.name}-recorder"
}

resource "aws_iam_role" "config" {
  name               = local.recorder
  assume_role_policy = data.aws_iam_policy_document.config_trust.json
}

data "aws_iam_policy_document" "config_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["config.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_iam_role_policy_attachment" "config" {
  role       = aws_iam_role.config.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWS_ConfigRole"
}

data "aws_iam_policy_document" "config" {
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.records.arn}/AWSLogs/${data.aws_caller_identity.this.account_id}/*"]
  }
  statement {
    actions   = ["s3:GetBucketAcl", "s3:ListBucket"]
    resources = [aws_s3_bucket.records.arn]
  }
}

resource "aws_iam_role_policy" "config" {
  name   = "deliver"
  role   = aws_iam_role.config.id
  policy = data.aws_iam_policy_document.config.json
}

resource "aws_config_configuration_recorder" "this" {
  name     = local.recorder
  role_arn = aws_iam_role.config.arn
  recording_group {
    all_supported                 = true
    include_global_resource_types = true
  }
}

resource "aws_config_delivery_channel" "this" {
  name           = local.recorder
  s3_bucket_name = aws_s3_bucket.records.bucket
  snapshot_delivery_properties {
    delivery_frequency = "TwentyFour_Hours"
  }
  depends_on = [aws_config_configuration_recorder.this]
}

resource "aws_config_configuration_recorder_status" "this" {
  name       = aws_config_configuration_recorder.this.name
  is_enabled = true
  depends_on = [aws_config_delivery_channel.this]
}

resource "aws_config_config_rule" "this" {
  for_each         = local.rules
  name             = "${var.name}-${each.key}"
  input_parameters = try(jsonencode(each.value.input), null)
  source {
    owner             = "AWS"
    source_identifier = each.value.identifier
  }
  depends_on = [aws_config_configuration_recorder_status.this]
}

# --- Where the history is

# AWS Config does not deliver to a bucket with a default retention: here a policy keeps what was written.
resource "aws_s3_bucket" "records" {
  bucket = "${var.name}-config-${data.aws_caller_identity.this.account_id}"
}

resource "aws_s3_bucket_versioning" "records" {
  bucket = aws_s3_bucket.records.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "records" {
  bucket = aws_s3_bucket.records.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "records" {
  bucket                  = aws_s3_bucket.records.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "records" {
  bucket = aws_s3_bucket.records.id
  rule {
    id     = "forget"
    status = "Enabled"
    filter {}
    expiration {
      days = var.record_days
    }
    noncurrent_version_expiration {
      noncurrent_days = var.record_days
    }
  }
  depends_on = [aws_s3_bucket_versioning.records]
}

data "aws_iam_policy_document" "records" {
  statement {
    sid       = "NoDeletion"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:DeleteBucket", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning"]
    resources = [aws_s3_bucket.records.arn, "${aws_s3_bucket.records.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = ["arn:aws:iam::${data.aws_caller_identity.this.account_id}:role/OrganizationAccountAccessRole"]
    }
  }
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.records.arn, "${aws_s3_bucket.records.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "records" {
  bucket = aws_s3_bucket.records.id
  policy = data.aws_iam_policy_document.records.json
}
