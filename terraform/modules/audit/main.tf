# How one account is set up, held against rules, and who hears when it is not. What the organization watches
# (CloudTrail, GuardDuty, Security Hub, Inspector) is in module posture, since an account must not be able to switch it
# off.

data "aws_caller_identity" "this" {}

# --- Who hears of it

resource "aws_kms_key" "alarms" {
  description         = "Alarms of ${var.name}"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.alarms_key.json
}

data "aws_iam_policy_document" "alarms_key" {
  statement {
    sid       = "AccountAdministers"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.this.account_id}:root"]
    }
  }
  statement {
    sid       = "ServicesPublish"
    actions   = ["kms:GenerateDataKey*", "kms:Decrypt"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.alarms.arn
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "ServicesPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "alarms" {
  for_each  = toset(var.emails)
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

# --- What is told

locals {
  told = {
    broken-rule = {
      source      = ["aws.config"]
      detail-type = ["Config Rules Compliance Change"]
      detail      = { newEvaluationResult = { complianceType = ["NON_COMPLIANT"] } }
    }
    # Break-glass is the one permission set that administers (module accounts). Using it is no secret.
    broken-glass = {
      source      = ["aws.sts"]
      detail-type = ["AWS API Call via CloudTrail"]
      detail = {
        eventName         = ["AssumeRoleWithSAML"]
        requestParameters = { roleArn = [{ wildcard = "*AWSReservedSSO_break-glass_*" }] }
      }
    }
    root = {
      detail-type = ["AWS Console Sign In via CloudTrail", "AWS API Call via CloudTrail"]
      detail      = { userIdentity = { type = ["Root"] } }
    }
  }
}

resource "aws_cloudwatch_event_rule" "told" {
  for_each      = local.told
  name          = "${var.name}-${each.key}"
  description   = "Tells of: ${each.key}"
  event_pattern = jsonencode(each.value)
}

resource "aws_cloudwatch_event_target" "told" {
  for_each = aws_cloudwatch_event_rule.told
  rule     = each.value.name
  arn      = aws_sns_topic.alarms.arn
}
