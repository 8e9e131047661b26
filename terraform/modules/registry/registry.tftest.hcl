mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:111122223333:key/1" }
  }
}

variables {
  name           = "homing-dev"
  pull_role_arns = ["arn:aws:iam::111122223333:role/nodes-application", "arn:aws:iam::111122223333:role/nodes-system"]
  push_role_arns = ["arn:aws:iam::111122223333:role/homing-dev-deploy"]
}

run "images" {
  command = plan

  assert {
    condition     = length(aws_ecr_repository.this) == 7 && alltrue([for r in aws_ecr_repository.this : r.image_tag_mutability == "IMMUTABLE"])
    error_message = "A tag must name one image for ever."
  }
  assert {
    condition = alltrue([
      for r in aws_ecr_repository.this :
      r.encryption_configuration[0].encryption_type == "KMS" && r.encryption_configuration[0].kms_key == aws_kms_key.images.arn
    ])
    error_message = "Images are encrypted with a key of ours."
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_scanning_configuration[0].scan_on_push])
    error_message = "Images are scanned when they come."
  }
  assert {
    condition = aws_ecr_registry_scanning_configuration.this.scan_type == "ENHANCED" && alltrue([
      for r in aws_ecr_registry_scanning_configuration.this.rule : r.scan_frequency == "CONTINUOUS_SCAN"
    ])
    error_message = "Images are scanned for as long as they stay."
  }
  assert {
    condition = alltrue([
      for p in aws_ecr_lifecycle_policy.this : anytrue([
        for r in jsondecode(p.policy).rules : r.selection.countType == "imageCountMoreThan" && r.selection.countNumber == 100
      ])
    ])
    error_message = "The newest 100 are kept."
  }
}

run "who_may" {
  command = plan

  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.repository.statement :
      s.effect == "Deny" && contains(s.actions, "ecr:BatchGetImage") && anytrue([
        for c in s.condition : c.test == "ArnNotEquals" && toset(c.values) == toset(concat(var.pull_role_arns, var.push_role_arns))
      ])
    ])
    error_message = "Nodes pull, and the pipeline, which scans and signs; nobody else."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.repository.statement :
      s.effect == "Deny" && contains(s.actions, "ecr:PutImage") && anytrue([
        for c in s.condition : c.test == "ArnNotEquals" && c.values == tolist(var.push_role_arns)
      ])
    ])
    error_message = "Only the pipeline pushes."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.signing.statement :
      s.effect == "Deny" && contains(s.actions, "kms:Sign") && anytrue([
        for c in s.condition : c.test == "ArnNotEquals" && c.values == tolist(var.push_role_arns)
      ])
    ])
    error_message = "Only the pipeline signs."
  }
  assert {
    condition     = aws_kms_key.signing.key_usage == "SIGN_VERIFY" && aws_kms_key.images.enable_key_rotation
    error_message = "One key signs, the other encrypts and rotates."
  }
}

run "everybody_is_refused" {
  command = plan
  variables {
    pull_role_arns = ["*"]
  }
  expect_failures = [var.pull_role_arns]
}
