mock_provider "aws" {
  override_during = plan
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/state" }
  }
}

variables {
  name       = "homing-dev"
  account_id = "111122223333"
}

run "versioned_encrypted_private" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == "homing-dev-terraform-state"
    error_message = "The name of the bucket: ${aws_s3_bucket.this.bucket}"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "States must have versions: a broken one is repaired from the one before."
  }
  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn
    ])
    error_message = "States must be encrypted with a key of their own."
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key must rotate."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Nothing of the state may be public."
  }
}

run "policy" {
  command = plan

  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.this.statement :
      s.effect == "Deny" && contains(s.actions, "s3:*") && anytrue([
        for c in s.condition : c.variable == "aws:SecureTransport" && contains(c.values, "false")
      ])
    ])
    error_message = "Without TLS nothing may be read or written."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.this.statement :
      s.effect == "Deny" && contains(s.actions, "s3:DeleteObjectVersion")
    ])
    error_message = "Nobody deletes old states."
  }
}

run "short_memory_is_refused" {
  command = plan
  variables {
    old_versions_days = 7
  }
  expect_failures = [var.old_versions_days]
}
