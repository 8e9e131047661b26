output "kms_key_arn" {
  description = "The key that secrets are encrypted with."
  value       = aws_kms_key.this.arn
}

output "database_user_secret_arns" {
  description = "By login: the secret that the database's proxy knows it by."
  value       = { for login, s in aws_secretsmanager_secret.login : login => s.arn }
}

output "names" {
  description = "The names of all secrets."
  value = sort(concat(
    [for s in aws_secretsmanager_secret.database : s.name],
    [for s in aws_secretsmanager_secret.encryption : s.name],
    [for s in aws_secretsmanager_secret.login : s.name],
    [for s in aws_secretsmanager_secret.by_hand : s.name],
  ))
}
