mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:alarms" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/1" }
  }
}

variables {
  name       = "homing-prod"
  emails     = ["security@example.com"]
  production = true
}

run "everything_is_recorded" {
  command = plan

  assert {
    condition = (
      aws_config_configuration_recorder.this.recording_group[0].all_supported &&
      aws_config_configuration_recorder_status.this.is_enabled
    )
    error_message = "All kinds of resources are recorded."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.records.statement : s.effect == "Deny" && contains(s.actions, "s3:DeleteObjectVersion")
    ])
    error_message = "Nobody deletes the history."
  }
}

run "rules" {
  command = plan

  assert {
    condition = length(setsubtract([
      "ENCRYPTED_VOLUMES", "RDS_STORAGE_ENCRYPTED", "S3_BUCKET_SSL_REQUESTS_ONLY", "EKS_ENDPOINT_NO_PUBLIC_ACCESS",
      "ECR_PRIVATE_TAG_IMMUTABILITY_ENABLED", "ALB_WAF_ENABLED", "SECRETSMANAGER_SCHEDULED_ROTATION_SUCCESS_CHECK", "REQUIRED_TAGS",
      "VPC_FLOW_LOGS_ENABLED", "CLOUD_TRAIL_ENABLED", "RDS_MULTI_AZ_SUPPORT",
    ], [for r in aws_config_config_rule.this : r.source[0].source_identifier])) == 0
    error_message = "A rule is missing."
  }
  assert {
    condition = jsondecode(aws_config_config_rule.this["tagged"].input_parameters) == {
      tag1Key = "environment", tag2Key = "managed-by", tag3Key = "owner", tag4Key = "project"
    }
    error_message = "Tags: ${aws_config_config_rule.this["tagged"].input_parameters}"
  }
}

run "baseline" {
  command = plan

  assert {
    condition     = aws_ebs_encryption_by_default.this.enabled && aws_ec2_instance_metadata_defaults.this.http_tokens == "required"
    error_message = "Volumes are encrypted and metadata needs a token, whatever is forgotten."
  }
  assert {
    condition     = aws_s3_account_public_access_block.this.block_public_policy && aws_s3_account_public_access_block.this.restrict_public_buckets
    error_message = "No bucket of the account can be public."
  }
}

run "somebody_hears_of_it" {
  command = plan

  assert {
    condition = alltrue([
      for rule in ["broken-rule", "broken-glass", "root"] :
      aws_cloudwatch_event_target.told[rule].arn == aws_sns_topic.alarms.arn
    ])
    error_message = "Broken rules, broken glass and root go to the alarms."
  }
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.alarms.arn
    error_message = "Alarms are encrypted with a key that services may use: SNS's own would swallow them."
  }
  assert {
    condition     = length(aws_sns_topic_subscription.alarms) == 1
    error_message = "Alarms reach somebody."
  }
}

run "one_zone_will_do_elsewhere" {
  command = plan
  variables {
    production = false
  }
  assert {
    condition     = !contains(keys(aws_config_config_rule.this), "rds-in-several-zones")
    error_message = "Outside production one zone will do."
  }
}

run "nobody_is_refused" {
  command = plan
  variables {
    emails = []
  }
  expect_failures = [var.emails]
}
