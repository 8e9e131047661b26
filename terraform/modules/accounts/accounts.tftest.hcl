mock_provider "aws" {
  override_during = plan
  mock_resource "aws_organizations_organization" {
    defaults = { id = "o-homing", roots = [{ id = "r-1", arn = "arn", name = "Root", policy_types = [] }] }
  }
  mock_resource "aws_organizations_organizational_unit" {
    defaults = { id = "ou-1" }
  }
  mock_data "aws_ssoadmin_instances" {
    defaults = { arns = ["arn:aws:sso:::instance/1"], identity_store_ids = ["d-1"] }
  }
}

variables {
  regions = ["eu-central-1", "eu-west-1"]
  accounts = {
    homing-security = { email = "security@example.com", unit = "security" }
    homing-dev      = { email = "dev@example.com", unit = "non-production" }
    homing-staging  = { email = "staging@example.com", unit = "non-production" }
    homing-prod     = { email = "prod@example.com", unit = "production" }
  }
  assignments = [
    { group = "engineers", permission_set = "developer", account = "homing-dev" },
    { group = "engineers", permission_set = "reader", account = "homing-prod" },
    { group = "on-call", permission_set = "break-glass", account = "homing-prod" },
  ]
}

run "an_account_for_each_environment" {
  command = plan

  assert {
    condition     = toset(keys(aws_organizations_account.this)) == toset(keys(var.accounts))
    error_message = "accounts: ${join(", ", keys(aws_organizations_account.this))}"
  }
  assert {
    condition     = alltrue([for a in aws_organizations_account.this : !a.close_on_deletion])
    error_message = "An account must not be closed because a line of code went away."
  }
}

run "guard_rails" {
  command = plan

  assert {
    condition = alltrue([
      for action in [
        "organizations:LeaveOrganization", "cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "guardduty:DeleteDetector",
        "securityhub:DisableSecurityHub", "config:StopConfigurationRecorder", "s3:PutAccountPublicAccessBlock",
        "ec2:DisableEbsEncryptionByDefault", "iam:CreateAccessKey", "kms:ScheduleKeyDeletion",
        "ec2:AcceptVpcPeeringConnection", "ec2:CreateVpcPeeringConnection", "ram:AcceptResourceShareInvitation",
        ] : anytrue(flatten([
          for p in aws_organizations_policy.guardrail : [
            for s in jsondecode(p.content).Statement :
            s.Effect == "Deny" && s.Resource == "*" && contains(flatten([try(s.Action, [])]), action)
          ]
      ]))
    ])
    error_message = "A guard rail is missing: leaving, stopping the records, public data, keys, paths between accounts."
  }
  assert {
    condition = alltrue(flatten([
      for p in aws_organizations_policy.guardrail : [for s in jsondecode(p.content).Statement : s.Effect == "Deny"]
    ]))
    error_message = "Guard rails only deny: a right that one gives would be a surprise."
  }
  assert {
    condition     = alltrue([for p in aws_organizations_policy.guardrail : length(p.content) <= 5120])
    error_message = "A policy is longer than 5120 characters."
  }
  assert {
    condition     = length(local.guardrails) <= 4
    error_message = "A unit takes five policies, and FullAWSAccess is one of them."
  }
  assert {
    condition     = length(aws_organizations_policy_attachment.guardrail) == length(local.guardrails) * 3
    error_message = "Every guard rail must bind every unit."
  }
  assert {
    condition = anytrue([
      for s in jsondecode(aws_organizations_policy.guardrail["network"].content).Statement :
      try(toset(s.Condition.StringNotEquals["aws:RequestedRegion"]) == toset(var.regions), false)
    ])
    error_message = "Other regions must be closed."
  }
  assert {
    condition = anytrue([
      for s in jsondecode(aws_organizations_policy.perimeter.content).Statement :
      try(s.Condition.StringNotEqualsIfExists["aws:PrincipalOrgID"] == "o-homing" && contains(s.Action, "secretsmanager:*"), false)
    ])
    error_message = "Nobody outside the organization may use what is ours."
  }
}

run "people" {
  command = plan

  assert {
    condition = [
      for name, set in local.permission_sets : name
      if anytrue([for p in set.policies : endswith(p, "/AdministratorAccess")])
    ] == ["break-glass"]
    error_message = "Only break-glass administers."
  }
  assert {
    condition     = aws_ssoadmin_permission_set.this["break-glass"].session_duration == "PT1H"
    error_message = "Break-glass ends after an hour."
  }
  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.operator.statement :
      s.effect == "Deny" && contains(s.actions, "secretsmanager:GetSecretValue") && contains(s.actions, "kms:Decrypt")
    ])
    error_message = "Operators read no secrets."
  }
  assert {
    condition     = length(aws_ssoadmin_account_assignment.this) == 3
    error_message = "Three assignments were asked for."
  }
}

run "developers_stay_out_of_production" {
  command = plan
  variables {
    assignments = [{ group = "engineers", permission_set = "developer", account = "homing-prod" }]
  }
  expect_failures = [var.assignments]
}

run "one_account_watches" {
  command = plan
  variables {
    accounts    = { homing-dev = { email = "dev@example.com", unit = "non-production" } }
    assignments = []
  }
  expect_failures = [var.accounts]
}

run "addresses_differ" {
  command = plan
  variables {
    assignments = []
    accounts = {
      homing-security = { email = "all@example.com", unit = "security" }
      homing-dev      = { email = "All@example.com", unit = "non-production" }
    }
  }
  expect_failures = [var.accounts]
}
