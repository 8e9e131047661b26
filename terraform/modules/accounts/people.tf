# People come by single sign-on, with a role for as long as a task takes. Nobody is an administrator by day: what
# changes production is the pipeline. Break-glass is for when the pipeline is what is broken; using it raises an alarm
# (module audit).

locals {
  permission_sets = {
    reader = {
      description = "See everything but the contents of buckets, secrets and keys."
      hours       = 8
      policies    = ["arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"]
    }
    operator = {
      description = "Work on an incident: read, restart, scale and fail over, but change no rights."
      hours       = 4
      policies    = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    }
    developer = {
      description = "Try things out where it is not production."
      hours       = 8
      policies    = ["arn:aws:iam::aws:policy/PowerUserAccess"]
    }
    auditor = {
      description = "See how everything is set up."
      hours       = 8
      policies    = ["arn:aws:iam::aws:policy/SecurityAudit"]
    }
    break-glass = {
      description = "Everything, for an hour, with an alarm."
      hours       = 1
      policies    = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    }
  }
  attached = merge([
    for name, set in local.permission_sets : { for p in set.policies : "${name} ${p}" => { set = name, policy = p } }
  ]...)
  instance = data.aws_ssoadmin_instances.this
}

data "aws_ssoadmin_instances" "this" {}

resource "aws_ssoadmin_permission_set" "this" {
  for_each         = local.permission_sets
  name             = each.key
  description      = each.value.description
  instance_arn     = local.instance.arns[0]
  session_duration = "PT${each.value.hours}H"
}

resource "aws_ssoadmin_managed_policy_attachment" "this" {
  for_each           = local.attached
  instance_arn       = local.instance.arns[0]
  permission_set_arn = aws_ssoadmin_permission_set.this[each.value.set].arn
  managed_policy_arn = each.value.policy
}

data "aws_iam_policy_document" "operator" {
  statement {
    sid = "Incidents"
    actions = [
      "rds:RebootDBInstance", "elasticache:TestFailover", "eks:UpdateNodegroupConfig", "autoscaling:SetDesiredCapacity",
      "cloudwatch:SetAlarmState", "support:*",
    ]
    resources = ["*"]
  }
  statement {
    sid    = "NoContents"
    effect = "Deny"
    actions = [
      "secretsmanager:GetSecretValue", "ssm:GetParameter*", "kms:Decrypt", "s3:GetObject", "rds:DownloadDBLogFilePortion",
    ]
    resources = ["*"]
  }
}

resource "aws_ssoadmin_permission_set_inline_policy" "operator" {
  instance_arn       = local.instance.arns[0]
  permission_set_arn = aws_ssoadmin_permission_set.this["operator"].arn
  inline_policy      = data.aws_iam_policy_document.operator.json
}

data "aws_identitystore_group" "this" {
  for_each          = toset([for a in var.assignments : a.group])
  identity_store_id = local.instance.identity_store_ids[0]
  alternate_identifier {
    unique_attribute {
      attribute_path  = "DisplayName"
      attribute_value = each.key
    }
  }
}

resource "aws_ssoadmin_account_assignment" "this" {
  for_each           = { for a in var.assignments : "${a.group} ${a.permission_set} ${a.account}" => a }
  instance_arn       = local.instance.arns[0]
  permission_set_arn = aws_ssoadmin_permission_set.this[each.value.permission_set].arn
  principal_id       = data.aws_identitystore_group.this[each.value.group].group_id
  principal_type     = "GROUP"
  target_id          = aws_organizations_account.this[each.value.account].id
  target_type        = "AWS_ACCOUNT"
}
