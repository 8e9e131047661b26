module "platform" {
  source              = "../../modules/platform"
  cluster_name        = module.cluster.name
  region              = var.region
  namespaces          = module.kubernetes.namespaces
  autoscaler_role_arn = module.cluster.autoscaler_role_arn
  storage_class       = module.kubernetes.storage_class
  secret_prefix       = local.prefix
  domain              = var.domain
  replicas            = var.replicas
}

module "rabbitmq" {
  source              = "../../modules/rabbitmq"
  namespace           = module.kubernetes.namespaces["homing"]
  storage_class       = module.kubernetes.storage_class
  size                = var.rabbitmq
  secret_prefix       = local.prefix
  secrets_kms_key_arn = module.secrets.kms_key_arn
  tags                = local.tags
  depends_on          = [module.platform] # the operator must know what a RabbitmqCluster is
}
