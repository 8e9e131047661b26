# Who may connect to what: pods to the proxy, to Redis and (for migrations) to Postgres; the proxy to Postgres.

resource "aws_security_group" "postgres" {
  name        = "${var.name}-postgres"
  description = "Postgres: from the proxy, and from pods for migrations"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_security_group" "proxy" {
  name        = "${var.name}-postgres-proxy"
  description = "The proxy of Postgres: from pods"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Redis: from pods"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

resource "aws_security_group" "amazon_mq" {
  count       = local.amazon_mq
  name        = "${var.name}-amazon-mq"
  description = "RabbitMQ of Amazon MQ: from pods"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

locals {
  ingress = merge(
    {
      postgres_from_proxy = { to = aws_security_group.postgres.id, from = aws_security_group.proxy.id, port = 5432 }
      postgres_from_pods  = { to = aws_security_group.postgres.id, from = var.client_security_group_id, port = 5432 }
      proxy_from_pods     = { to = aws_security_group.proxy.id, from = var.client_security_group_id, port = 5432 }
      redis_from_pods     = { to = aws_security_group.redis.id, from = var.client_security_group_id, port = 6379 }
    },
    local.amazon_mq == 0 ? {} : {
      amazon_mq_from_pods         = { to = aws_security_group.amazon_mq[0].id, from = var.client_security_group_id, port = 5671 }
      amazon_mq_console_from_pods = { to = aws_security_group.amazon_mq[0].id, from = var.client_security_group_id, port = 443 }
    },
  )
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each                     = local.ingress
  security_group_id            = each.value.to
  referenced_security_group_id = each.value.from
  description                  = replace(each.key, "_", " ")
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "proxy" {
  security_group_id            = aws_security_group.proxy.id
  referenced_security_group_id = aws_security_group.postgres.id
  description                  = "proxy to postgres"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  tags                         = var.tags
}
