output "kms_key_arn" {
  description = "The key that secrets are encrypted with."
  value       = aws_kms_key.this.arn
}

output "names" {
  description = "The names of all secrets."
  value = sort(concat(
    [for s in aws_secretsmanager_secret.database : s.name],
    [for s in aws_secretsmanager_secret.encryption : s.name],
    [for s in aws_secretsmanager_secret.by_hand : s.name],
  ))
}
