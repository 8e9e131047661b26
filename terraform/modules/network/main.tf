# One VPC over three zones. Each zone has a public subnet (load balancer, NAT), a private one (nodes and pods) and an
# isolated one (data), whose route table has no route but the VPC's own.

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  zones = { for i, zone in var.zones : zone => {
    private = cidrsubnet(var.cidr, 3, i)      # /19: 8,187 pods a zone
    public  = cidrsubnet(var.cidr, 8, 96 + i) # /24
    data    = cidrsubnet(var.cidr, 8, 112 + i)
  } }
  private_cidrs = [for zone in local.zones : zone.private]
  data_cidrs    = [for zone in local.zones : zone.data]
  nat_zones     = var.nat_per_zone ? toset(var.zones) : toset([var.zones[0]])
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(var.tags, { Name = var.name })
}

# What nobody asked for allows nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
  tags   = merge(var.tags, { Name = "${var.name}-default-unused" })
}

resource "aws_default_route_table" "this" {
  default_route_table_id = aws_vpc.this.default_route_table_id
  route                  = []
  tags                   = merge(var.tags, { Name = "${var.name}-default-unused" })
}

resource "aws_subnet" "public" {
  for_each                = local.zones
  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.key
  cidr_block              = each.value.public
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-public-${each.key}", tier = "public", "kubernetes.io/role/elb" = "1" })
}

resource "aws_subnet" "private" {
  for_each          = local.zones
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value.private
  tags              = merge(var.tags, { Name = "${var.name}-private-${each.key}", tier = "private", "kubernetes.io/role/internal-elb" = "1" })
}

resource "aws_subnet" "data" {
  for_each          = local.zones
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value.data
  tags              = merge(var.tags, { Name = "${var.name}-data-${each.key}", tier = "data" })
}
