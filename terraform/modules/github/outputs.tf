output "repository" {
  description = "The repository, OWNER/NAME."
  value       = github_repository.this.full_name
}

output "environments" {
  description = "What is deployed to."
  value       = keys(github_repository_environment.this)
}
