module "cluster" {
  source                = "../../modules/cluster"
  name                  = local.name
  kubernetes_version    = "1.34"
  vpc_id                = module.network.vpc_id
  subnet_ids            = module.network.private_subnet_ids
  vpn_security_group_id = module.network.vpn_security_group_id
  vpn                   = var.client_vpn != null
  node_groups           = var.node_groups
  admin_role_arns       = var.admin_role_arns
  deployer_role_arns    = var.deployer_role_arns
  secret_prefix         = local.prefix
  secrets_kms_key_arn   = module.secrets.kms_key_arn
  log_retention_days    = var.log_retention_days
  tags                  = local.tags
}

module "kubernetes" {
  source = "../../modules/kubernetes"
  vpc = {
    public_cidrs  = module.network.public_cidrs
    private_cidrs = module.network.private_cidrs
    data_cidrs    = module.network.data_cidrs
  }
  volumes_kms_key_arn = module.cluster.volumes_kms_key_arn
  secrets_role_arns   = module.cluster.secrets_role_arns
}
