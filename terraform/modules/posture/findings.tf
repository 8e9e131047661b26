# What watches over every account, switched on for those that are made later too, and administered from the security
# account.

locals {
  guardduty = {
    S3_DATA_EVENTS         = null
    EKS_AUDIT_LOGS         = null
    EBS_MALWARE_PROTECTION = null
    RDS_LOGIN_EVENTS       = null
    LAMBDA_NETWORK_LOGS    = null
    RUNTIME_MONITORING     = "EKS_ADDON_MANAGEMENT"
  }
  standards = {
    best-practices = "arn:aws:securityhub:${var.region}::standards/aws-foundational-security-best-practices/v/1.0.0"
    cis            = "arn:aws:securityhub:${var.region}::standards/cis-aws-foundations-benchmark/v/3.0.0"
  }
}

# --- GuardDuty: what looks like an attack

resource "aws_guardduty_organization_admin_account" "this" {
  provider         = aws.management
  admin_account_id = var.security_account_id
}

resource "aws_guardduty_detector" "this" {
  provider                     = aws.security
  enable                       = true
  finding_publishing_frequency = "FIFTEEN_MINUTES"
}

resource "aws_guardduty_organization_configuration" "this" {
  provider                         = aws.security
  detector_id                      = aws_guardduty_detector.this.id
  auto_enable_organization_members = "ALL"
  depends_on                       = [aws_guardduty_organization_admin_account.this]
}

resource "aws_guardduty_organization_configuration_feature" "this" {
  provider    = aws.security
  for_each    = local.guardduty
  detector_id = aws_guardduty_detector.this.id
  name        = each.key
  auto_enable = "ALL"

  dynamic "additional_configuration" {
    for_each = each.value == null ? [] : [each.value]
    content {
      name        = additional_configuration.value
      auto_enable = "ALL"
    }
  }
  depends_on = [aws_guardduty_organization_configuration.this]
}

# --- Security Hub: all findings in one place, and the standards

resource "aws_securityhub_organization_admin_account" "this" {
  provider         = aws.management
  admin_account_id = var.security_account_id
}

resource "aws_securityhub_account" "this" {
  provider                  = aws.security
  enable_default_standards  = false
  control_finding_generator = "SECURITY_CONTROL"
}

resource "aws_securityhub_organization_configuration" "this" {
  provider              = aws.security
  auto_enable           = true
  auto_enable_standards = "DEFAULT"
  depends_on            = [aws_securityhub_organization_admin_account.this, aws_securityhub_account.this]
}

resource "aws_securityhub_finding_aggregator" "this" {
  provider     = aws.security
  linking_mode = "ALL_REGIONS"
  depends_on   = [aws_securityhub_account.this]
}

resource "aws_securityhub_standards_subscription" "this" {
  provider      = aws.security
  for_each      = local.standards
  standards_arn = each.value
  depends_on    = [aws_securityhub_account.this]
}

# --- Inspector: what is known to be vulnerable, in images, nodes and functions

resource "aws_inspector2_delegated_admin_account" "this" {
  provider   = aws.management
  account_id = var.security_account_id
}

resource "aws_inspector2_enabler" "this" {
  provider       = aws.security
  account_ids    = [var.security_account_id]
  resource_types = ["EC2", "ECR", "LAMBDA"]
}

resource "aws_inspector2_organization_configuration" "this" {
  provider = aws.security
  auto_enable {
    ec2    = true
    ecr    = true
    lambda = true
  }
  depends_on = [aws_inspector2_delegated_admin_account.this, aws_inspector2_enabler.this]
}

# --- Access Analyzer: what somebody outside the organization can reach

resource "aws_organizations_delegated_administrator" "analyzer" {
  provider          = aws.management
  account_id        = var.security_account_id
  service_principal = "access-analyzer.amazonaws.com"
}

resource "aws_accessanalyzer_analyzer" "this" {
  provider      = aws.security
  analyzer_name = "${var.name}-organization"
  type          = "ORGANIZATION"
  depends_on    = [aws_organizations_delegated_administrator.analyzer]
}

# --- Who hears of it

resource "aws_kms_key" "findings" {
  provider            = aws.security
  description         = "Findings"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.findings_key.json
}

data "aws_iam_policy_document" "findings_key" {
  provider = aws.security
  statement {
    sid       = "AccountAdministers"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${var.security_account_id}:root"]
    }
  }
  statement {
    sid       = "EventsPublish"
    actions   = ["kms:GenerateDataKey*", "kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic" "findings" {
  provider          = aws.security
  name              = "${var.name}-findings"
  kms_master_key_id = aws_kms_key.findings.arn
}

data "aws_iam_policy_document" "findings" {
  provider = aws.security
  statement {
    sid       = "EventsPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.findings.arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.findings.arn]
    }
  }
}

resource "aws_sns_topic_policy" "findings" {
  provider = aws.security
  arn      = aws_sns_topic.findings.arn
  policy   = data.aws_iam_policy_document.findings.json
}

resource "aws_sns_topic_subscription" "findings" {
  provider  = aws.security
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.findings.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_event_rule" "findings" {
  provider    = aws.security
  name        = "${var.name}-findings"
  description = "New findings that cannot wait"
  event_pattern = jsonencode({
    source      = ["aws.securityhub"]
    detail-type = ["Security Hub Findings - Imported"]
    detail = { findings = {
      Severity    = { Label = ["CRITICAL", "HIGH"] }
      Workflow    = { Status = ["NEW"] }
      RecordState = ["ACTIVE"]
    } }
  })
}

resource "aws_cloudwatch_event_target" "findings" {
  provider = aws.security
  rule     = aws_cloudwatch_event_rule.findings.name
  arn      = aws_sns_topic.findings.arn
}
