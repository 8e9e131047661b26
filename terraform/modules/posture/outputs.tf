output "trail_bucket" {
  description = "Where what was done is kept."
  value       = aws_s3_bucket.trail.bucket
}

output "findings_topic_arn" {
  description = "Where critical and high findings go."
  value       = aws_sns_topic.findings.arn
}
