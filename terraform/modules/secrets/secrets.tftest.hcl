mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/secrets" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/homing-dev-rotate" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/homing-dev-rotate" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:homing-dev-rotate" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:one" }
  }
}
# random is not mocked: ephemeral values cannot be, and it asks nobody.

variables {
  name   = "homing-dev"
  prefix = "homing/dev"
  reader_role_arns = {
    ingest  = "arn:aws:iam::111122223333:role/secrets-ingest"
    deliver = "arn:aws:iam::111122223333:role/secrets-deliver"
    retry   = "arn:aws:iam::111122223333:role/secrets-retry"
    manage  = "arn:aws:iam::111122223333:role/secrets-manage"
  }
  database = {
    host              = "db.example.com"
    security_group_id = "sg-database"
    admin_secret_arn  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds"
    admin_kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/rds"
  }
  rotation = {
    image      = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/homing/rotate@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    vpc_id     = "vpc-1"
    subnet_ids = ["subnet-1", "subnet-2"]
  }
}

run "names" {
  command = plan
  assert {
    condition = output.names == tolist([
      "homing/dev/alerting/chat", "homing/dev/alerting/page",
      "homing/dev/deliver/database", "homing/dev/deliver/encryption-keys",
      "homing/dev/ingest/database",
      "homing/dev/manage/database", "homing/dev/manage/encryption-keys",
      "homing/dev/retry/database",
    ])
    error_message = "The secrets: ${join(", ", output.names)}"
  }
}

run "nothing_secret_is_kept" {
  command = plan

  # What is written by a write-only argument is null wherever Terraform shows or keeps it.
  assert {
    condition = alltrue([
      for v in concat(
        values(aws_secretsmanager_secret_version.database),
        values(aws_secretsmanager_secret_version.encryption),
      ) :
      v.secret_string == null && v.secret_string_wo == null && v.secret_string_wo_version == 1 && contains(v.version_stages, "bootstrap")
    ])
    error_message = "Secrets must be written by secret_string_wo, and once."
  }
}

run "encrypted_and_rotated" {
  command = plan

  assert {
    condition = alltrue([
      for s in concat(values(aws_secretsmanager_secret.database), values(aws_secretsmanager_secret.encryption), values(aws_secretsmanager_secret.by_hand)) :
      s.kms_key_id == aws_kms_key.this.arn && s.recovery_window_in_days == 30
    ])
    error_message = "Every secret is encrypted with our key, and can be recovered."
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "The key rotates."
  }
  assert {
    condition = length(aws_secretsmanager_secret_rotation.database) == 4 && alltrue([
      for r in aws_secretsmanager_secret_rotation.database :
      r.rotation_rules[0].automatically_after_days == 30 && r.rotation_lambda_arn == aws_lambda_function.rotate.arn
    ])
    error_message = "Every login is rotated, each month."
  }
}

run "who_reads" {
  command = plan

  assert {
    condition = alltrue([
      for f in ["ingest", "deliver", "retry", "manage"] : alltrue([
        for s in data.aws_iam_policy_document.reader[f].statement :
        s.effect == "Deny" && contains(s.actions, "secretsmanager:GetSecretValue") && alltrue([
          for c in s.condition :
          c.test == "ArnNotEquals" && toset(c.values) == toset([var.reader_role_arns[f], aws_iam_role.rotate.arn])
        ])
      ])
    ])
    error_message = "A function's secrets are read by its own role, and by what rotates them."
  }
  assert {
    condition     = alltrue([for p in concat(values(aws_secretsmanager_secret_policy.database), values(aws_secretsmanager_secret_policy.encryption)) : p.block_public_policy])
    error_message = "No policy makes a secret public."
  }
  assert {
    condition = !anytrue(flatten([
      for s in data.aws_iam_policy_document.rotate.statement : [
        for a in s.actions : startswith(a, "secretsmanager:") && contains(s.resources, "*")
      ]
    ]))
    error_message = "What rotates reads the secrets that it rotates, and the administrator's."
  }
}

run "an_image_by_tag_is_refused" {
  command = plan
  variables {
    rotation = {
      image      = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/homing/rotate:latest"
      vpc_id     = "vpc-1"
      subnet_ids = ["subnet-1"]
    }
  }
  expect_failures = [var.rotation]
}

run "a_function_without_reader_is_refused" {
  command = plan
  variables {
    reader_role_arns = { ingest = "arn:aws:iam::111122223333:role/secrets-ingest" }
  }
  expect_failures = [var.reader_role_arns]
}
