mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name          = "homing-test"
  cidr          = "10.30.0.0/16"
  foreign_cidrs = ["10.10.0.0/16", "10.20.0.0/16"]
  zones         = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat_per_zone  = true
  client_vpn = {
    saml_provider_arn      = "arn:aws:iam::111122223333:saml-provider/sso"
    server_certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/vpn"
    cidr                   = "10.130.0.0/22"
    group_id               = "engineers"
  }
}

run "three_zones_of_three_subnets" {
  assert {
    condition     = length(aws_subnet.public) == 3 && length(aws_subnet.private) == 3 && length(aws_subnet.data) == 3
    error_message = "Each of the three zones has a public, a private and a data subnet."
  }
  assert {
    condition     = length(distinct(concat(values(aws_subnet.public)[*].cidr_block, values(aws_subnet.private)[*].cidr_block, values(aws_subnet.data)[*].cidr_block))) == 9
    error_message = "Two subnets share addresses."
  }
  assert {
    condition     = alltrue([for s in aws_subnet.public : !s.map_public_ip_on_launch])
    error_message = "Nothing gets a public address by itself."
  }
}

run "data_subnets_are_isolated" {
  assert {
    condition     = length(aws_route_table.data.route) == 0
    error_message = "The data subnets have a route out."
  }
  assert {
    condition     = alltrue([for a in aws_route_table_association.data : a.route_table_id == aws_route_table.data.id])
    error_message = "A data subnet has another route table than the one without routes."
  }
  assert {
    condition     = alltrue([for r in concat([aws_route.public_internet], values(aws_route.private_nat)) : r.route_table_id != aws_route_table.data.id])
    error_message = "A route to the internet is in the data subnets' table."
  }
  assert {
    condition     = !contains(aws_vpc_endpoint.s3.route_table_ids, aws_route_table.data.id)
    error_message = "The data subnets reach S3."
  }
  assert {
    condition = alltrue([for rule in concat(tolist(aws_network_acl.data.ingress), tolist(aws_network_acl.data.egress)) :
    rule.action == "allow" && rule.protocol == "tcp" && startswith(rule.cidr_block, "10.30.")])
    error_message = "The data subnets' ACL lets something pass that is not TCP inside this VPC."
  }
  assert {
    condition = alltrue([for rule in aws_network_acl.data.ingress : contains([5432, 6379, 5671], rule.from_port) && rule.from_port == rule.to_port
    if contains(values(aws_subnet.private)[*].cidr_block, rule.cidr_block)])
    error_message = "Pods reach other ports than Postgres, Redis and AMQPS in the data subnets."
  }
  assert {
    condition     = !anytrue([for rule in aws_network_acl.data.ingress : contains(values(aws_subnet.public)[*].cidr_block, rule.cidr_block)])
    error_message = "The public subnets reach the data subnets."
  }
}

run "no_path_between_environments" {
  assert {
    condition = alltrue(flatten([for acl in [aws_network_acl.public, aws_network_acl.private] : [
      for foreign in var.foreign_cidrs : [for rules in [acl.ingress, acl.egress] :
        anytrue([for rule in rules : rule.action == "deny" && rule.protocol == "-1" && rule.cidr_block == foreign && rule.rule_no < 100])
    ]]]))
    error_message = "An ACL does not refuse another environment before it allows anything."
  }
}

run "every_zone_has_its_own_way_out" {
  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(distinct(values(aws_route.private_nat)[*].nat_gateway_id)) == 3
    error_message = "A zone depends on another zone's NAT gateway."
  }
}

run "one_way_out_where_that_is_enough" {
  command = plan
  variables {
    nat_per_zone = false
    client_vpn   = null
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_ec2_client_vpn_endpoint.this) == 0
    error_message = "There should be one NAT gateway and no VPN."
  }
}

run "connections_are_logged" {
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == aws_kms_key.logs.arn
    error_message = "Flow logs must have all traffic and be encrypted."
  }
}

run "the_vpn_leads_to_the_cluster_only" {
  assert {
    condition     = toset(values(aws_ec2_client_vpn_authorization_rule.private)[*].target_network_cidr) == toset(values(aws_subnet.private)[*].cidr_block)
    error_message = "People on the VPN reach more, or less, than the private subnets."
  }
  assert {
    condition     = one(aws_ec2_client_vpn_endpoint.this[0].authentication_options).type == "federated-authentication" && aws_ec2_client_vpn_endpoint.this[0].connection_log_options[0].enabled
    error_message = "The VPN must ask single sign-on and log connections."
  }
  assert {
    condition     = alltrue([for rule in aws_ec2_client_vpn_authorization_rule.private : !coalesce(rule.authorize_all_groups, false)])
    error_message = "Everybody may use the VPN."
  }
}

run "defaults_allow_nothing" {
  assert {
    condition     = length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0 && length(aws_default_route_table.this.route) == 0
    error_message = "The VPC's default security group or route table allows something."
  }
}

run "refuses_two_zones" {
  command = plan
  variables {
    zones = ["eu-central-1a", "eu-central-1b", "eu-central-1b"]
  }
  expect_failures = [var.zones]
}

run "refuses_its_own_network_as_foreign" {
  command = plan
  variables {
    foreign_cidrs = ["10.30.0.0/16"]
  }
  expect_failures = [var.foreign_cidrs]
}

run "refuses_a_small_network" {
  command = plan
  variables {
    cidr = "10.30.0.0/20"
  }
  expect_failures = [var.cidr]
}
