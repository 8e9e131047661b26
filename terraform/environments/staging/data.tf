module "data" {
  source                   = "../../modules/data"
  name                     = local.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = module.network.data_subnet_ids
  client_security_group_id = module.cluster.node_security_group_id
  backup_region            = var.backup_region
  postgres                 = var.postgres
  redis                    = var.redis
  secret_prefix            = local.prefix
  secrets_kms_key_arn      = module.secrets.kms_key_arn
  log_retention_days       = var.log_retention_days
  tags                     = local.tags
}
