module "network" {
  source             = "../../modules/network"
  name               = local.name
  cidr               = var.network.cidr
  foreign_cidrs      = var.network.foreign_cidrs
  zones              = var.network.zones
  nat_per_zone       = var.network.nat_per_zone
  client_vpn         = var.client_vpn
  log_retention_days = var.log_retention_days
  tags               = local.tags
}
