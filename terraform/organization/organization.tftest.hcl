mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_organizations_organization" {
    defaults = { id = "o-homing1", roots = [{ id = "r-1", arn = "arn", name = "Root", policy_types = [] }] }
  }
  mock_resource "aws_organizations_account" {
    defaults = { id = "444455556666" }
  }
  mock_data "aws_ssoadmin_instances" {
    defaults = { arns = ["arn:aws:sso:::instance/1"], identity_store_ids = ["d-1"] }
  }
}
mock_provider "aws" {
  alias = "security"
}
mock_provider "aws" {
  alias = "dev"
}
mock_provider "aws" {
  alias = "staging"
}
mock_provider "aws" {
  alias = "prod"
}
mock_provider "github" {
  override_during = plan
  mock_resource "github_team" {
    defaults = { id = "7" }
  }
}

run "an_account_and_a_state_for_each_environment" {
  command = plan

  assert {
    condition     = toset(keys(module.accounts.account_ids)) == toset(["homing-dev", "homing-prod", "homing-security", "homing-staging"])
    error_message = "accounts: ${join(", ", keys(module.accounts.account_ids))}"
  }
  assert {
    condition = toset([for name, s in output.state : s.bucket]) == toset([
      "homing-organization-terraform-state", "homing-dev-terraform-state", "homing-staging-terraform-state",
      "homing-prod-terraform-state",
    ])
    error_message = "Each has a state of its own."
  }
  assert {
    condition = alltrue([
      for a in var.assignments : !contains(["developer", "break-glass"], a.permission_set) || a.group == "homing-break-glass" || a.account == "homing-dev"
    ])
    error_message = "What is not dev is changed by the pipeline, or by breaking the glass."
  }
}
