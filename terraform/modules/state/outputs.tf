output "bucket" {
  description = "The bucket, for `bucket` of the S3 backend."
  value       = aws_s3_bucket.this.bucket
}

output "kms_key_arn" {
  description = "The key, for `kms_key_id` of the S3 backend."
  value       = aws_kms_key.this.arn
}
