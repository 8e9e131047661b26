# Who is told, what it may cost, and how much may come in.
alarm_emails = ["aws-staging@homing.example"]
monthly_usd  = 1100

events_per_5_minutes = 30000

# A place holder, until the pipeline has pushed the first image.
rotation_image = "000000000002.dkr.ecr.eu-central-1.amazonaws.com/homing/homing-rotate@sha256:0000000000000000000000000000000000000000000000000000000000000000"
