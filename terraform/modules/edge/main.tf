# The load balancer is Terraform's, not the cluster's: so its ARN is known before the first request, and there is never
# one without the firewall in front of it. It ends TLS with a certificate of ACM, and speaks TLS again to Knative's
# gateway (docs/decisions/0022). The controller in the cluster does one thing: it keeps the gateway's pods in the target
# group.

locals {
  hosts            = concat([var.events_host, var.api_host], var.probe_host[*])
  gateway_port     = 8443 # Kourier's listener for TLS, as in its Service `kourier`.
  gateway_ready    = 9000 # Envoy's own listener, where /ready is answered whatever the Host.
  longest_response = 60   # Seconds that a request may say nothing. Nothing public holds a request for longer.
}

data "aws_caller_identity" "this" {}
data "aws_region" "this" {}

resource "aws_security_group" "lb" {
  name        = "${var.name}-edge"
  description = "The public load balancer"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.lb.id
  description       = "Everybody, by HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "gateway" {
  for_each                     = { requests = local.gateway_port, readiness = local.gateway_ready }
  security_group_id            = aws_security_group.lb.id
  description                  = "To the gateway on the nodes: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = var.node_security_group_id
}

resource "aws_vpc_security_group_ingress_rule" "gateway" {
  for_each                     = { requests = local.gateway_port, readiness = local.gateway_ready }
  security_group_id            = var.node_security_group_id
  description                  = "From the public load balancer: ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.lb.id
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.public_subnet_ids
  security_groups            = [aws_security_group.lb.id]
  idle_timeout               = local.longest_response
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = true
  preserve_host_header       = true

  access_logs {
    bucket  = aws_s3_bucket.logs.id
    enabled = true
  }

  depends_on = [aws_s3_bucket_policy.logs]
}

# There is no listener on port 80: a redirect would come after an API key had been sent in clear.
resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = var.tls_policy
  certificate_arn   = aws_acm_certificate_validation.this.certificate_arn

  routing_http_response_server_enabled                         = false
  routing_http_response_strict_transport_security_header_value = "max-age=31536000; includeSubDomains"
  routing_http_response_x_content_type_options_header_value    = "nosniff"
  routing_http_response_x_frame_options_header_value           = "DENY"

  # Names that are not ours never reach the gateway, where every function in the cluster has a name.
  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
      message_body = "Not found"
    }
  }
}

resource "aws_lb_listener_rule" "gateway" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10
  condition {
    host_header {
      values = local.hosts
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.gateway.arn
  }
}

resource "aws_lb_target_group" "gateway" {
  name                          = "${var.name}-gw"
  vpc_id                        = var.vpc_id
  target_type                   = "ip"
  port                          = local.gateway_port
  protocol                      = "HTTPS"
  protocol_version              = "HTTP1"
  load_balancing_algorithm_type = "least_outstanding_requests"
  deregistration_delay          = 30

  health_check {
    protocol            = "HTTP"
    port                = tostring(local.gateway_ready)
    path                = "/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_shield_protection" "lb" {
  count        = var.shield_advanced ? 1 : 0
  name         = var.name
  resource_arn = aws_lb.this.arn
}
