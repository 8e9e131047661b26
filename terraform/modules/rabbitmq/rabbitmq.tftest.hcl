mock_provider "aws" {}
mock_provider "helm" {}


variables {
  storage_class       = "gp3"
  secret_prefix       = "homing/test"
  secrets_kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/secrets"
  size                = { storage_gib = 20, memory_gib = 4, cpus = 1, zones_separated = true }
}

run "three_nodes_in_three_zones" {
  assert {
    condition     = local.objects[0].spec.replicas == 3
    error_message = "Quorum queues need three nodes."
  }
  assert {
    condition     = local.objects[0].spec.override.statefulSet.spec.template.spec.topologySpreadConstraints[0].whenUnsatisfiable == "DoNotSchedule" && local.objects[0].spec.override.statefulSet.spec.template.spec.topologySpreadConstraints[0].topologyKey == "topology.kubernetes.io/zone"
    error_message = "Each node must be in a zone of its own."
  }
  assert {
    condition     = local.objects[1].kind == "PodDisruptionBudget" && local.objects[1].spec.maxUnavailable == 1
    error_message = "Maintenance must take one node at a time."
  }
}

run "quorum_queues_on_durable_volumes" {
  assert {
    condition     = strcontains(local.objects[0].spec.rabbitmq.additionalConfig, "default_queue_type = quorum")
    error_message = "A queue without a type must be a quorum queue."
  }
  assert {
    condition     = local.objects[0].spec.persistence.storageClassName == "gp3" && local.objects[0].spec.persistence.storage == "20Gi"
    error_message = "Messages must be on the storage class that is encrypted and backed up."
  }
  assert {
    condition     = local.objects[0].spec.resources.requests.memory == local.objects[0].spec.resources.limits.memory
    error_message = "RabbitMQ's watermark is a part of the limit: it must have been granted."
  }
}

run "plugins" {
  assert {
    condition     = toset(local.objects[0].spec.rabbitmq.additionalPlugins) == toset(["rabbitmq_management", "rabbitmq_prometheus"])
    error_message = "The management and Prometheus plugins must be on."
  }
}

run "passwords_are_in_no_state" {
  assert {
    condition     = alltrue([for v in aws_secretsmanager_secret_version.user : v.secret_string == null])
    error_message = "A password is in the state."
  }
  assert {
    condition     = toset([for s in aws_secretsmanager_secret.user : s.name]) == toset(["homing/test/ingest/rabbitmq", "homing/test/retry/rabbitmq"])
    error_message = "Each user's secret must be below its function's name, where its role may read it."
  }
}

run "the_operator_gets_what_is_tested_here" {
  assert {
    condition     = yamldecode(helm_release.rabbitmq.values[0]).objects == local.objects
    error_message = "Other objects are installed than those that were tested."
  }
}

run "refuses_mirrored_times" {
  command = plan
  variables {
    image = "rabbitmq:3.11.28-management"
  }
  expect_failures = [var.image]
}
