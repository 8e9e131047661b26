variable "rotation_image" {
  description = "The image of homing-rotate, by digest, in this account's registry."
  type        = string
}

module "secrets" {
  source           = "../../modules/secrets"
  name             = local.name
  prefix           = local.prefix
  reader_role_arns = module.cluster.secrets_role_arns
  database = {
    host              = module.data.database_address
    security_group_id = module.data.database_security_group_id
    admin_secret_arn  = module.data.owner_secret_arn
    admin_kms_key_arn = module.data.kms_key_arn
  }
  rotation = {
    image      = var.rotation_image
    vpc_id     = module.network.vpc_id
    subnet_ids = module.network.private_subnet_ids
  }
}
