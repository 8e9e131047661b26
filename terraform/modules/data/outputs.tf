output "database_arn" {
  description = "The database."
  value       = aws_db_instance.this.arn
}

output "database_identifier" {
  description = "Its name, as metrics and alarms have it."
  value       = aws_db_instance.this.identifier
}

output "database_address" {
  description = "The database's own host, for the functions and migrations."
  value       = aws_db_instance.this.address
}

output "database_proxy_endpoint" {
  description = "The proxy's host, for clients that hold no session."
  value       = aws_db_proxy.this.endpoint
}

output "database_security_group_id" {
  description = "Security group of Postgres."
  value       = aws_security_group.postgres.id
}

output "owner_secret_arn" {
  description = "The secret of the owner's password, which RDS makes and rotates."
  value       = local.owner_secret_arn
}

output "redis_id" {
  description = "The replication group."
  value       = aws_elasticache_replication_group.this.id
}

output "redis_endpoint" {
  description = "Redis' primary, port 6379, TLS."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "redis_auth_token" {
  description = "The first token of Redis, until the first rotation."
  value       = random_password.redis.result
  sensitive   = true
}

output "amazon_mq_arn" {
  description = "The broker of Amazon MQ; null without."
  value       = one(aws_mq_broker.this[*].arn)
}

output "kms_key_arn" {
  description = "The key of data at rest."
  value       = aws_kms_key.this.arn
}
