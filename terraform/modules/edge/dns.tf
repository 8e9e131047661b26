# ACM renews a certificate by itself for as long as the records below stay in DNS. That it did is watched, not assumed.

resource "aws_acm_certificate" "this" {
  domain_name               = var.events_host
  subject_alternative_names = concat([var.api_host], var.probe_host[*])
  validation_method         = "DNS"
  key_algorithm             = "EC_prime256v1"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for o in aws_acm_certificate.this.domain_validation_options : o.domain_name => o
  }
  zone_id         = var.zone_id
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  records         = [each.value.resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for r in aws_route53_record.validation : r.fqdn]
}

# Nobody but Amazon may issue certificates for these names.
resource "aws_route53_record" "issuers" {
  zone_id = var.zone_id
  name    = var.zone_name
  type    = "CAA"
  ttl     = 3600
  records = ["0 issue \"amazon.com\"", "0 issuewild \";\""]
}

resource "aws_route53_record" "host" {
  for_each = toset(local.hosts)
  zone_id  = var.zone_id
  name     = each.key
  type     = "A"
  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}

# ACM renews 60 days ahead. At 30 days something is wrong, and there is time to find out what.
resource "aws_cloudwatch_metric_alarm" "certificate" {
  alarm_name          = "${var.name}-certificate-expires"
  alarm_description   = "The certificate of ${var.events_host} has not been renewed: see docs/certificates.md."
  namespace           = "AWS/CertificateManager"
  metric_name         = "DaysToExpiry"
  dimensions          = { CertificateArn = aws_acm_certificate.this.arn }
  statistic           = "Minimum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 30
  treat_missing_data  = "breaching"
  alarm_actions       = [var.alarm_topic_arn]
}
