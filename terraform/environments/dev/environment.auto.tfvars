environment   = "dev"
account_id    = "000000000001" # a place holder, until terraform/organization has made the account
region        = "eu-central-1"
backup_region = "eu-west-1"
domain        = "dev.homing.example"

# Cheap, and the same shape as prod.
network = {
  cidr          = "10.10.0.0/16"
  foreign_cidrs = ["10.20.0.0/16", "10.30.0.0/16"]
  zones         = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat_per_zone  = false
}

node_groups = {
  system      = { instance_types = ["m7i.large"], min = 2, desired = 2, max = 4 }
  application = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 4 }
  build       = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 2 }
}

postgres = {
  instance_class  = "db.t4g.medium"
  storage_gib     = 20
  max_storage_gib = 100
  max_connections = 400
  multi_az        = true
  backup_days     = 7
  protected       = false
}

redis = {
  node_type = "cache.t4g.small"
  nodes     = 2
}

rabbitmq = {
  storage_gib     = 10
  memory_gib      = 1
  cpus            = 0.25
  zones_separated = false
}

replicas           = 1
log_retention_days = 30

rotation_image = "000000000001.dkr.ecr.eu-central-1.amazonaws.com/homing/homing-rotate@sha256:0000000000000000000000000000000000000000000000000000000000000000" # a place holder as well

# Who is told, what it may cost, and how much may come in.
alarm_emails = ["aws-dev@homing.example"]
monthly_usd  = 1200

probes               = false # monitoring/probe has no dev
events_per_5_minutes = 30000
