variable "rotation_image" {
  description = "What rotates logins to Postgres (cmd/homing-rotate), by digest, in this environment's registry."
  type        = string
}

module "secrets" {
  source           = "../../modules/secrets"
  name             = local.name
  prefix           = local.prefix
  reader_role_arns = module.cluster.secrets_role_arns
  database = {
    host              = module.data.database_proxy_endpoint
    security_group_id = module.data.database_proxy_security_group_id
    proxy_role_arn    = module.data.database_proxy_role_arn
    admin_secret_arn  = module.data.owner_secret_arn
    admin_kms_key_arn = module.data.kms_key_arn
  }
  rotation = {
    image      = var.rotation_image
    vpc_id     = module.network.vpc_id
    subnet_ids = module.network.private_subnet_ids
  }
}
