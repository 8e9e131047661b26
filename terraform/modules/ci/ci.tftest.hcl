mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
}

variables {
  name              = "homing-prod"
  repository        = "homing-hooks/homing"
  environment       = "prod"
  state_bucket      = "homing-prod-terraform-state"
  state_kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/state"
}

run "who_becomes_what" {
  command = plan

  assert {
    condition = {
      for role, document in data.aws_iam_policy_document.trust : role => one(flatten([
        for s in document.statement : [for c in s.condition : c.values if endswith(c.variable, ":sub") && c.test == "StringEquals"]
      ]))
      } == {
      plan    = "repo:homing-hooks/homing:ref:refs/heads/main"
      publish = "repo:homing-hooks/homing:environment:prod"
      deploy  = "repo:homing-hooks/homing:environment:prod"
    }
    error_message = "Only jobs of the environment publish and deploy; only the main branch plans. No wildcards."
  }
  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.trust : anytrue(flatten([
        for s in document.statement : [for c in s.condition : endswith(c.variable, ":aud") && c.values == tolist(["sts.amazonaws.com"])]
      ]))
    ])
    error_message = "Tokens for somebody else must not be taken."
  }
  assert {
    condition     = alltrue([for r in aws_iam_role.this : r.max_session_duration == 3600])
    error_message = "An hour is enough."
  }
}

run "what_they_may_not" {
  command = plan

  assert {
    condition = alltrue([
      for document in [data.aws_iam_policy_document.plan, data.aws_iam_policy_document.deploy] : anytrue([
        for s in document.statement :
        s.effect == "Deny" && contains(s.actions, "secretsmanager:GetSecretValue") && contains(s.resources, "*")
      ])
    ])
    error_message = "The pipeline reads no secrets."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.deploy.statement :
      s.effect == "Deny" && contains(s.actions, "iam:UpdateAssumeRolePolicy") &&
      contains(s.resources, "arn:aws:iam::111122223333:role/homing-prod-deploy")
    ])
    error_message = "The pipeline must not open its own door wider."
  }
  assert {
    condition = toset(flatten([
      for s in data.aws_iam_policy_document.plan.statement : s.actions
      if s.effect != "Deny" && !startswith(one(slice(tolist(s.resources), 0, 1)), "arn:aws:s3:::homing-prod-terraform-state/*.tflock")
    ])) == toset(["s3:GetObject", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey"])
    error_message = "Planning writes nothing but the lock."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.plan.policy_arn == "arn:aws:iam::aws:policy/ReadOnlyAccess"
    error_message = "Planning looks."
  }
}

run "a_wildcard_is_refused" {
  command = plan
  variables {
    environment = "*"
  }
  expect_failures = [var.environment]
}
