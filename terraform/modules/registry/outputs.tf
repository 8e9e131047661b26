output "repository_urls" {
  description = "Where to push and pull, by image."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "signing_key_alias" {
  description = "The signing key, for cosign: awskms:///<this>."
  value       = aws_kms_alias.signing.name
}
