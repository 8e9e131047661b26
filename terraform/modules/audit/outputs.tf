output "alarm_topic_arn" {
  description = "Where alarms of this account go; CloudWatch and EventBridge may publish to it."
  value       = aws_sns_topic.alarms.arn
}

output "rule_names" {
  description = "The rules that the account is held against."
  value       = [for r in aws_config_config_rule.this : r.name]
}
