# Network ACLs are the second fence, behind routes and security groups: they refuse the other environments, and let only
# the nodes into the data subnets.

locals {
  everywhere = "0.0.0.0/0"
  foreign    = { for i, cidr in var.foreign_cidrs : 10 + i => cidr }

  # What may enter a data subnet, and what may leave it as an answer: Postgres, Redis, AMQP over TLS; and the data
  # subnets among each other, for failover and the proxy.
  data_ports = { 5432 = "postgres", 6379 = "redis", 5671 = "amqps" }
  data_ingress = merge(
    { for i, cidr in local.data_cidrs : 100 + i => { cidr = cidr, from = 0, to = 65535 } },
    { for pair in setproduct(range(3), sort(keys(local.data_ports))) :
      200 + pair[0] * 10 + index(sort(keys(local.data_ports)), pair[1]) =>
    { cidr = local.private_cidrs[pair[0]], from = tonumber(pair[1]), to = tonumber(pair[1]) } },
  )
  data_egress = merge(
    { for i, cidr in local.data_cidrs : 100 + i => { cidr = cidr, from = 0, to = 65535 } },
    { for i, cidr in local.private_cidrs : 200 + i => { cidr = cidr, from = 1024, to = 65535 } },
  )
}

resource "aws_network_acl" "public" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = values(aws_subnet.public)[*].id
  tags       = merge(var.tags, { Name = "${var.name}-public" })

  dynamic "ingress" {
    for_each = local.foreign
    content {
      rule_no    = ingress.key
      action     = "deny"
      protocol   = "-1"
      cidr_block = ingress.value
      from_port  = 0
      to_port    = 0
    }
  }
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = var.cidr
    from_port  = 0
    to_port    = 0
  }
  dynamic "ingress" {
    for_each = { 110 = [80, 80], 111 = [443, 443], 112 = [1024, 65535] } # the last: answers to the NAT gateways
    content {
      rule_no    = ingress.key
      action     = "allow"
      protocol   = "tcp"
      cidr_block = local.everywhere
      from_port  = ingress.value[0]
      to_port    = ingress.value[1]
    }
  }
  ingress {
    rule_no    = 120
    action     = "allow"
    protocol   = "udp"
    cidr_block = local.everywhere
    from_port  = 1024
    to_port    = 65535
  }

  dynamic "egress" {
    for_each = local.foreign
    content {
      rule_no    = egress.key
      action     = "deny"
      protocol   = "-1"
      cidr_block = egress.value
      from_port  = 0
      to_port    = 0
    }
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = local.everywhere
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_network_acl" "private" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = values(aws_subnet.private)[*].id
  tags       = merge(var.tags, { Name = "${var.name}-private" })

  dynamic "ingress" {
    for_each = local.foreign
    content {
      rule_no    = ingress.key
      action     = "deny"
      protocol   = "-1"
      cidr_block = ingress.value
      from_port  = 0
      to_port    = 0
    }
  }
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = var.cidr
    from_port  = 0
    to_port    = 0
  }
  dynamic "ingress" {
    for_each = { 110 = "tcp", 111 = "udp" } # answers to what went out through NAT
    content {
      rule_no    = ingress.key
      action     = "allow"
      protocol   = ingress.value
      cidr_block = local.everywhere
      from_port  = 1024
      to_port    = 65535
    }
  }

  dynamic "egress" {
    for_each = local.foreign
    content {
      rule_no    = egress.key
      action     = "deny"
      protocol   = "-1"
      cidr_block = egress.value
      from_port  = 0
      to_port    = 0
    }
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = local.everywhere
    from_port  = 0
    to_port    = 0
  }
}

resource "aws_network_acl" "data" {
  vpc_id     = aws_vpc.this.id
  subnet_ids = values(aws_subnet.data)[*].id
  tags       = merge(var.tags, { Name = "${var.name}-data" })

  dynamic "ingress" {
    for_each = local.data_ingress
    content {
      rule_no    = ingress.key
      action     = "allow"
      protocol   = "tcp"
      cidr_block = ingress.value.cidr
      from_port  = ingress.value.from
      to_port    = ingress.value.to
    }
  }
  dynamic "egress" {
    for_each = local.data_egress
    content {
      rule_no    = egress.key
      action     = "allow"
      protocol   = "tcp"
      cidr_block = egress.value.cidr
      from_port  = egress.value.from
      to_port    = egress.value.to
    }
  }
}
