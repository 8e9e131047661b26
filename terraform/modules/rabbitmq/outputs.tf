output "host" {
  description = "Where the functions find it, AMQP at 5672."
  value       = "rabbitmq.${var.namespace}.svc.cluster.local"
  depends_on  = [helm_release.rabbitmq]
}

output "user_secret_names" {
  description = "By function: the secret with its user and password."
  value       = { for f, secret in aws_secretsmanager_secret.user : f => secret.name }
}
