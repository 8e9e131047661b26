# People reach the cluster's API through the VPN, by single sign-on. It leads to the private subnets only: nobody
# connects to a database from a laptop but through a pod.

resource "aws_cloudwatch_log_group" "vpn" {
  count             = var.client_vpn == null ? 0 : 1
  name              = "/homing/${var.name}/vpn"
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.logs.arn
  tags              = var.tags
}

resource "aws_security_group" "vpn" {
  count       = var.client_vpn == null ? 0 : 1
  name        = "${var.name}-vpn"
  description = "What people who are connected to the VPN may reach"
  vpc_id      = aws_vpc.this.id
  tags        = var.tags
}

resource "aws_vpc_security_group_egress_rule" "vpn" {
  for_each          = var.client_vpn == null ? {} : local.zones
  security_group_id = aws_security_group.vpn[0].id
  description       = "HTTPS to the private subnet of ${each.key}: the cluster's API"
  cidr_ipv4         = each.value.private
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_ec2_client_vpn_endpoint" "this" {
  count                  = var.client_vpn == null ? 0 : 1
  description            = var.name
  vpc_id                 = aws_vpc.this.id
  client_cidr_block      = var.client_vpn.cidr
  server_certificate_arn = var.client_vpn.server_certificate_arn
  security_group_ids     = [aws_security_group.vpn[0].id]
  split_tunnel           = true
  session_timeout_hours  = 8
  authentication_options {
    type              = "federated-authentication"
    saml_provider_arn = var.client_vpn.saml_provider_arn
  }
  connection_log_options {
    enabled              = true
    cloudwatch_log_group = aws_cloudwatch_log_group.vpn[0].name
  }
  tags = merge(var.tags, { Name = var.name })
}

resource "aws_ec2_client_vpn_network_association" "this" {
  count                  = var.client_vpn == null ? 0 : 1
  client_vpn_endpoint_id = aws_ec2_client_vpn_endpoint.this[0].id
  subnet_id              = aws_subnet.private[var.zones[0]].id
}

resource "aws_ec2_client_vpn_authorization_rule" "private" {
  for_each               = var.client_vpn == null ? {} : local.zones
  client_vpn_endpoint_id = aws_ec2_client_vpn_endpoint.this[0].id
  description            = "The private subnet of ${each.key}"
  target_network_cidr    = each.value.private
  access_group_id        = var.client_vpn.group_id
}
