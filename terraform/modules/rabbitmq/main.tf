# RabbitMQ in the cluster, three nodes, kept by the cluster operator. What is in it (queues, users) is declared in
# eventing/, and kept by the topology operator; the passwords of the users are made here, and never seen by Terraform's
# state.

locals {
  users = toset(["ingest", "retry"]) # who parks events, and who fetches them

  objects = [for file in ["cluster.yaml", "budget.yaml"] : yamldecode(templatefile("${path.module}/objects/${file}", {
    namespace     = var.namespace
    image         = var.image
    storage_class = var.storage_class
    storage       = "${var.size.storage_gib}Gi"
    memory        = "${var.size.memory_gib}Gi"
    cpus          = tostring(var.size.cpus)
    unsatisfiable = var.size.zones_separated ? "DoNotSchedule" : "ScheduleAnyway"
  }))]
}

resource "helm_release" "rabbitmq" {
  name      = "rabbitmq"
  namespace = var.namespace
  chart     = "${path.module}/../../charts/objects"
  values    = [yamlencode({ objects = local.objects })]
}

ephemeral "random_password" "user" {
  for_each = local.users
  length   = 48
  special  = false
}

resource "aws_secretsmanager_secret" "user" {
  for_each                = local.users
  name                    = "${var.secret_prefix}/${each.key}/rabbitmq"
  description             = "How ${each.key} signs in to RabbitMQ"
  kms_key_id              = var.secrets_kms_key_arn
  recovery_window_in_days = 30
  tags                    = var.tags
}

# A higher version makes new passwords: docs/decisions/0020 says in which order the rest follows.
resource "aws_secretsmanager_secret_version" "user" {
  for_each  = local.users
  secret_id = aws_secretsmanager_secret.user[each.key].id
  secret_string_wo = jsonencode({
    username = "parked-${each.key}"
    password = ephemeral.random_password.user[each.key].result
  })
  secret_string_wo_version = 1
}
