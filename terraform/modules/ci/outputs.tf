output "role_arns" {
  description = "The roles plan, publish and deploy, by name."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
