output "cluster_name" {
  description = "The cluster: aws eks update-kubeconfig --name NAME."
  value       = module.cluster.name
}

output "delivery_addresses" {
  description = "The addresses that webhooks come from, for receivers' lists."
  value       = module.network.delivery_addresses
}

output "database_address" {
  description = "Postgres itself, for the functions and migrations."
  value       = module.data.database_address
}

output "database_proxy_endpoint" {
  description = "Its proxy, for clients that hold no session."
  value       = module.data.database_proxy_endpoint
}

output "redis_endpoint" {
  description = "Redis."
  value       = module.data.redis_endpoint
}

output "rabbitmq_host" {
  description = "RabbitMQ, inside the cluster."
  value       = module.rabbitmq.host
}
