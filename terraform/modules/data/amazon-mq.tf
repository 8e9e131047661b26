# RabbitMQ as a service, where somebody would rather not run the operator (decision 20 says what is lost by that).

locals {
  amazon_mq = var.rabbitmq_service == "amazon-mq" ? 1 : 0
}

resource "random_password" "amazon_mq" {
  count   = local.amazon_mq
  length  = 64
  special = false
}

resource "aws_mq_configuration" "this" {
  count          = local.amazon_mq
  name           = var.name
  engine_type    = "RabbitMQ"
  engine_version = var.amazon_mq.version
  data           = <<-CONF
    # Longer than the slowest request of a dispatcher, times what it has fetched ahead.
    consumer_timeout = 1800000
  CONF
  tags           = var.tags
}

resource "aws_mq_broker" "this" {
  count                      = local.amazon_mq
  broker_name                = var.name
  engine_type                = "RabbitMQ"
  engine_version             = var.amazon_mq.version
  host_instance_type         = var.amazon_mq.instance_type
  deployment_mode            = "CLUSTER_MULTI_AZ"
  storage_type               = "ebs"
  publicly_accessible        = false
  subnet_ids                 = var.subnet_ids
  security_groups            = [aws_security_group.amazon_mq[0].id]
  auto_minor_version_upgrade = true # Amazon MQ demands it of RabbitMQ
  configuration {
    id       = aws_mq_configuration.this[0].id
    revision = aws_mq_configuration.this[0].latest_revision
  }
  encryption_options {
    use_aws_owned_key = false
    kms_key_id        = aws_kms_key.this.arn
  }
  logs {
    general = true
  }
  # No write-only form: the topology's own users, which Homing uses, are not in the state, this administrator is.
  user {
    username = "homing-admin"
    password = random_password.amazon_mq[0].result
  }
  tags = var.tags
}
