output "ready" {
  description = "Known once the operators are there: what needs their kinds waits for it."
  value       = [for release in helm_release.this : release.name]
}

output "knative_version" {
  description = "The version of Knative."
  value       = var.knative_version
}
