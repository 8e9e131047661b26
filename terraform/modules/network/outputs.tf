output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Its addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Subnets of load balancers and NAT, one a zone."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "Subnets of nodes and pods, one a zone."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "data_subnet_ids" {
  description = "Isolated subnets of databases, one a zone."
  value       = [for zone in var.zones : aws_subnet.data[zone].id]
}

output "public_cidrs" {
  description = "Addresses of the public subnets, which load balancers have."
  value       = [for zone in var.zones : local.zones[zone].public]
}

output "private_cidrs" {
  description = "Addresses of nodes and pods."
  value       = [for zone in var.zones : local.zones[zone].private]
}

output "data_cidrs" {
  description = "Addresses of databases."
  value       = [for zone in var.zones : local.zones[zone].data]
}

output "delivery_addresses" {
  description = "The public addresses that webhooks come from."
  value       = [for eip in aws_eip.nat : eip.public_ip]
}

output "vpn_security_group_id" {
  description = "Security group of people on the VPN; null without one."
  value       = one(aws_security_group.vpn[*].id)
}
