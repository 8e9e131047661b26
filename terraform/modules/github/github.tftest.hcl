mock_provider "github" {
  override_during = plan
  mock_resource "github_team" {
    defaults = { id = "7" }
  }
}

run "nothing_is_merged_unseen" {
  command = plan

  assert {
    condition = alltrue([
      for p in github_repository_ruleset.main.rules[0].pull_request :
      p.required_approving_review_count >= 1 && p.require_code_owner_review && p.dismiss_stale_reviews_on_push && p.require_last_push_approval
    ]) && length(github_repository_ruleset.main.rules[0].pull_request) == 1
    error_message = "Owners approve the last push."
  }
  assert {
    condition = toset([
      for c in github_repository_ruleset.main.rules[0].required_status_checks[0].required_check : "${c.context} ${c.integration_id}"
    ]) == toset([for name in var.required_checks : "${name} 15368"])
    error_message = "The checks must have passed, by GitHub Actions' own word."
  }
  assert {
    condition = (
      github_repository_ruleset.main.enforcement == "active" && length(github_repository_ruleset.main.bypass_actors) == 0 &&
      github_repository_ruleset.main.conditions[0].ref_name[0].include == tolist(["~DEFAULT_BRANCH"])
    )
    error_message = "The rules bind everybody."
  }
  assert {
    condition     = github_repository_ruleset.main.rules[0].non_fast_forward && github_repository_ruleset.main.rules[0].deletion && github_repository_ruleset.main.rules[0].required_signatures
    error_message = "History is not rewritten, and commits are signed."
  }
  assert {
    condition     = github_repository_ruleset.releases.rules[0].update && github_repository_ruleset.releases.rules[0].deletion
    error_message = "A release's tag does not move."
  }
}

run "secrets_do_not_come_in" {
  command = plan

  assert {
    condition = (
      github_repository.this.security_and_analysis[0].secret_scanning[0].status == "enabled" &&
      github_repository.this.security_and_analysis[0].secret_scanning_push_protection[0].status == "enabled" &&
      github_repository.this.vulnerability_alerts
    )
    error_message = "Secrets are found as they are pushed, vulnerable dependencies as they become known."
  }
  assert {
    condition     = github_actions_repository_permissions.this.allowed_actions == "selected" && !github_actions_repository_permissions.this.allowed_actions_config[0].verified_allowed
    error_message = "Workflows use the actions that we chose."
  }
}

run "somebody_says_yes" {
  command = plan

  assert {
    condition = (
      length(github_repository_environment.this["prod"].reviewers) == 1 &&
      github_repository_environment.this["prod"].prevent_self_review && !github_repository_environment.this["prod"].can_admins_bypass
    )
    error_message = "Somebody else approves what goes to prod, whoever asks."
  }
  assert {
    condition     = alltrue([for e in github_repository_environment.this : !e.can_admins_bypass && e.deployment_branch_policy[0].custom_branch_policies])
    error_message = "Nobody deploys around it, and not from any branch."
  }
  assert {
    condition = toset(keys(github_repository_environment_deployment_policy.this)) == toset([
      "dev branch main", "staging branch main", "staging tag v*", "prod branch main", "prod tag v*",
    ])
    error_message = "What may be deployed: ${join(", ", keys(github_repository_environment_deployment_policy.this))}"
  }
}

run "an_unapproved_production_is_refused" {
  command = plan
  variables {
    environments = { prod = {} }
  }
  expect_failures = [var.environments]
}

run "an_administrator_is_refused" {
  command = plan
  variables {
    teams = {
      maintainers = { description = "All", permission = "admin" }
      platform    = { description = "Platform", permission = "push" }
      on-call     = { description = "On call", permission = "triage" }
    }
  }
  expect_failures = [var.teams]
}
