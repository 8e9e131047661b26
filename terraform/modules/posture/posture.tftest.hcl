mock_provider "aws" {
  alias           = "management"
  override_during = plan
}
mock_provider "aws" {
  alias           = "security"
  override_during = plan
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:222233334444:key/1" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { id = "homing-trail-222233334444", arn = "arn:aws:s3:::homing-trail-222233334444" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:222233334444:homing-findings" }
  }
}

variables {
  organization_id       = "o-homing1"
  management_account_id = "111122223333"
  security_account_id   = "222233334444"
  region                = "eu-central-1"
  emails                = ["security@example.com"]
}

run "the_trail_is_whole_and_for_all" {
  command = plan

  assert {
    condition = alltrue([
      aws_cloudtrail.this.is_organization_trail, aws_cloudtrail.this.is_multi_region_trail,
      aws_cloudtrail.this.include_global_service_events, aws_cloudtrail.this.enable_logging,
      aws_cloudtrail.this.enable_log_file_validation,
    ])
    error_message = "All accounts, all regions, with proof that nothing is missing."
  }
  assert {
    condition     = aws_cloudtrail.this.kms_key_id == aws_kms_key.trail.arn
    error_message = "The trail is encrypted with a key of ours."
  }
}

run "nobody_changes_the_trail" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket.trail.object_lock_enabled &&
      aws_s3_bucket_object_lock_configuration.trail.rule[0].default_retention[0].mode == "COMPLIANCE" &&
      aws_s3_bucket_object_lock_configuration.trail.rule[0].default_retention[0].days >= 365
    )
    error_message = "Object lock in compliance mode, for a year at least: governance can be bypassed."
  }
  assert {
    condition     = aws_s3_bucket_versioning.trail.versioning_configuration[0].status == "Enabled"
    error_message = "Object lock needs versions."
  }
  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.trail_bucket.statement :
      try(s.effect, "Allow") == "Deny" || (
        alltrue([for p in s.principals : p.identifiers == toset(["cloudtrail.amazonaws.com"])]) &&
        anytrue([for c in s.condition : c.variable == "aws:SourceArn" && c.values == tolist([local.trail_arn])])
      )
    ])
    error_message = "CloudTrail writes for this trail, and nobody else may do anything."
  }
}

run "every_account_is_watched" {
  command = plan

  assert {
    condition = aws_guardduty_organization_configuration.this.auto_enable_organization_members == "ALL" && alltrue([
      for f in aws_guardduty_organization_configuration_feature.this : f.auto_enable == "ALL"
    ])
    error_message = "GuardDuty for all, also for accounts that are made later."
  }
  assert {
    condition = toset(keys(aws_guardduty_organization_configuration_feature.this)) == toset([
      "S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", "RUNTIME_MONITORING",
    ])
    error_message = "With the cluster's audit log and what runs in it."
  }
  assert {
    condition     = aws_securityhub_organization_configuration.this.auto_enable && length(aws_securityhub_standards_subscription.this) == 2
    error_message = "Security Hub for all, with both standards."
  }
  assert {
    condition = alltrue([
      aws_inspector2_organization_configuration.this.auto_enable[0].ecr,
      aws_inspector2_organization_configuration.this.auto_enable[0].ec2,
      aws_inspector2_organization_configuration.this.auto_enable[0].lambda,
    ])
    error_message = "Inspector for images, nodes and functions."
  }
  assert {
    condition     = aws_accessanalyzer_analyzer.this.type == "ORGANIZATION"
    error_message = "What is reachable from outside the organization is found."
  }
  assert {
    condition = alltrue([for id in [
      aws_guardduty_organization_admin_account.this.admin_account_id,
      aws_securityhub_organization_admin_account.this.admin_account_id,
      aws_inspector2_delegated_admin_account.this.account_id,
    ] : id == var.security_account_id])
    error_message = "The security account administers all of it."
  }
}

run "somebody_hears_of_it" {
  command = plan

  assert {
    condition     = toset(jsondecode(aws_cloudwatch_event_rule.findings.event_pattern).detail.findings.Severity.Label) == toset(["CRITICAL", "HIGH"])
    error_message = "Critical and high findings are told of."
  }
  assert {
    condition     = aws_cloudwatch_event_target.findings.arn == aws_sns_topic.findings.arn && length(aws_sns_topic_subscription.findings) == 1
    error_message = "They reach somebody."
  }
}

run "a_short_trail_is_refused" {
  command = plan
  variables {
    trail_days = 90
  }
  expect_failures = [var.trail_days]
}
