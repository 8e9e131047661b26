output "hosts" {
  description = "The public names: in DNS, in the certificate, and let through to the gateway."
  value       = local.hosts
}

output "load_balancer_arn" {
  description = "The load balancer: what ends TLS, and what the firewall guards."
  value       = aws_lb.this.arn
}

output "web_acl_arn" {
  description = "The firewall."
  value       = aws_wafv2_web_acl.this.arn
}

output "certificate_arn" {
  description = "The certificate of all names."
  value       = aws_acm_certificate.this.arn
}

output "security_group_id" {
  description = "The load balancer's security group."
  value       = aws_security_group.lb.id
}
