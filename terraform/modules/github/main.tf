# The repository, who works on it, what must be true before anything is merged, and who must say yes before it is
# deployed.

resource "github_repository" "this" {
  name                        = var.name
  description                 = "Delivers webhooks: stored before it is accepted, signed, retried, never lost."
  visibility                  = var.visibility
  has_issues                  = true
  has_wiki                    = false
  has_projects                = false
  allow_merge_commit          = true
  allow_squash_merge          = false
  allow_rebase_merge          = true
  allow_auto_merge            = true
  delete_branch_on_merge      = true
  vulnerability_alerts        = true
  web_commit_signoff_required = false
  archive_on_destroy          = true

  security_and_analysis {
    secret_scanning {
      status = "enabled"
    }
    secret_scanning_push_protection {
      status = "enabled"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "github_repository_dependabot_security_updates" "this" {
  repository = github_repository.this.name
  enabled    = true
}

# --- Who

resource "github_team" "this" {
  for_each                  = var.teams
  name                      = each.key
  description               = each.value.description
  privacy                   = "closed"
  create_default_maintainer = false
}

resource "github_team_repository" "this" {
  for_each   = var.teams
  repository = github_repository.this.name
  team_id    = github_team.this[each.key].id
  permission = each.value.permission
}

# --- What must be true before it is merged. Nobody goes around it: there are no bypass actors

resource "github_repository_ruleset" "main" {
  name        = "main"
  repository  = github_repository.this.name
  target      = "branch"
  enforcement = "active"

  conditions {
    ref_name {
      include = ["~DEFAULT_BRANCH"]
      exclude = []
    }
  }

  rules {
    creation                = true
    deletion                = true
    non_fast_forward        = true
    required_signatures     = true
    required_linear_history = false

    pull_request {
      required_approving_review_count   = 1
      require_code_owner_review         = true
      require_last_push_approval        = true
      dismiss_stale_reviews_on_push     = true
      required_review_thread_resolution = true
    }

    required_status_checks {
      strict_required_status_checks_policy = true
      dynamic "required_check" {
        for_each = toset(var.required_checks)
        content {
          context        = required_check.value
          integration_id = 15368 # GitHub Actions: no other application may say that a check has passed.
        }
      }
    }
  }
}

# A release's tag names one commit for ever.
resource "github_repository_ruleset" "releases" {
  name        = "releases"
  repository  = github_repository.this.name
  target      = "tag"
  enforcement = "active"

  conditions {
    ref_name {
      include = ["refs/tags/v*"]
      exclude = []
    }
  }

  rules {
    update           = true
    deletion         = true
    non_fast_forward = true
  }
}

# --- What workflows may use

resource "github_actions_repository_permissions" "this" {
  repository      = github_repository.this.name
  enabled         = true
  allowed_actions = "selected"
  allowed_actions_config {
    github_owned_allowed = true
    verified_allowed     = false
    patterns_allowed     = var.actions
  }
}

# --- Who says yes before it is deployed

locals {
  refs = merge(flatten([
    for name, e in var.environments : [
      { for branch in e.branches : "${name} branch ${branch}" => { environment = name, branch = branch, tag = null } },
      { for tag in e.tags : "${name} tag ${tag}" => { environment = name, branch = null, tag = tag } },
    ]
  ])...)
}

resource "github_repository_environment" "this" {
  for_each            = var.environments
  repository          = github_repository.this.name
  environment         = each.key
  wait_timer          = each.value.wait
  prevent_self_review = length(each.value.reviewers) > 0
  can_admins_bypass   = false

  dynamic "reviewers" {
    for_each = length(each.value.reviewers) > 0 ? [1] : []
    content {
      teams = [for team in each.value.reviewers : tonumber(github_team.this[team].id)]
    }
  }

  deployment_branch_policy {
    protected_branches     = false
    custom_branch_policies = true
  }

  # Whoever approves must be able to read.
  depends_on = [github_team_repository.this]
}

resource "github_repository_environment_deployment_policy" "this" {
  for_each       = local.refs
  repository     = github_repository.this.name
  environment    = github_repository_environment.this[each.value.environment].environment
  branch_pattern = each.value.branch
  tag_pattern    = each.value.tag
}
