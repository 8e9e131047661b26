environment   = "staging"
account_id    = "000000000002" # a place holder, until terraform/organization has made the account
region        = "eu-central-1"
backup_region = "eu-west-1"
domain        = "staging.homing.example"

# As prod, with fewer and smaller parts: what goes wrong by failing over goes wrong here first.
network = {
  cidr          = "10.20.0.0/16"
  foreign_cidrs = ["10.10.0.0/16", "10.30.0.0/16"]
  zones         = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat_per_zone  = true
}

node_groups = {
  system      = { instance_types = ["m7i.large"], min = 3, desired = 3, max = 5 }
  application = { instance_types = ["m7i.large"], min = 2, desired = 2, max = 6 }
  build       = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 3 }
}

postgres = {
  instance_class  = "db.r5.large"
  storage_gib     = 50
  max_storage_gib = 500
  max_connections = 1000
  multi_az        = true
  backup_days     = 14
  protected       = true
}

redis = {
  node_type = "cache.t4g.medium"
  nodes     = 2
}

rabbitmq = {
  storage_gib     = 20
  memory_gib      = 2
  cpus            = 0.5
  zones_separated = true
}

replicas           = 2
log_retention_days = 90

rotation_image = "000000000002.dkr.ecr.eu-central-1.amazonaws.com/homing/homing-rotate@sha256:0000000000000000000000000000000000000000000000000000000000000000" # a place holder as well

# Who is told, what it may cost, and how much may come in.
alarm_emails = ["aws-staging@homing.example"]
monthly_usd  = 2000

probes               = true
events_per_5_minutes = 30000
