environment   = "prod"
account_id    = "000000000003" # a place holder, until terraform/organization has made the account
region        = "eu-central-1"
backup_region = "eu-west-1"
domain        = "homing.example"

network = {
  cidr          = "10.30.0.0/16"
  foreign_cidrs = ["10.10.0.0/16", "10.20.0.0/16"]
  zones         = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  nat_per_zone  = true
}

node_groups = {
  system      = { instance_types = ["m7i.xlarge"], min = 3, desired = 3, max = 6 }
  application = { instance_types = ["m7i.xlarge"], min = 3, desired = 3, max = 10 }
  build       = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 5 }
}

postgres = {
  instance_class  = "db.r5.large"
  storage_gib     = 200
  max_storage_gib = 2000
  max_connections = 1000
  multi_az        = true
  backup_days     = 35
  protected       = true
}

redis = {
  node_type = "cache.r7g.large"
  nodes     = 3
}

rabbitmq = {
  storage_gib     = 50
  memory_gib      = 4
  cpus            = 1
  zones_separated = true
}

replicas           = 2
log_retention_days = 365

rotation_image = "000000000003.dkr.ecr.eu-central-1.amazonaws.com/homing/homing-rotate@sha256:0000000000000000000000000000000000000000000000000000000000000000" # a place holder as well

# Who is told, what it may cost, and how much may come in.
alarm_emails = ["aws-prod@homing.example"]
monthly_usd  = 3500

probes               = true
events_per_5_minutes = 300000
