# Guard rails bind everybody in an account, its administrators too. A policy has at most 5,120 characters, and a unit at
# most five of them, so they are grouped by what they protect. The role by which the organization manages its accounts
# is left free where it must be able to set up what nobody else may change.

locals {
  organization_role = "arn:aws:iam::*:role/OrganizationAccountAccessRole"
  unless_organization = {
    ArnNotLike = { "aws:PrincipalArn" = [local.organization_role] }
  }

  guardrails = {
    identity = [
      {
        Sid      = "NobodyLeaves"
        Effect   = "Deny"
        Action   = ["organizations:LeaveOrganization", "account:CloseAccount"]
        Resource = "*"
      },
      {
        Sid       = "NoRootUser"
        Effect    = "Deny"
        Action    = "*"
        Resource  = "*"
        Condition = { StringLike = { "aws:PrincipalArn" = "arn:aws:iam::*:root" }, Null = { "aws:AssumedRoot" = "true" } }
      },
      {
        # People come by single sign-on, programs by roles: there is no key to leak.
        Sid      = "NoUsersNoKeys"
        Effect   = "Deny"
        Action   = ["iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile"]
        Resource = "*"
      },
      {
        Sid       = "LeaveTheOrganizationsRole"
        Effect    = "Deny"
        NotAction = ["iam:Get*", "iam:List*", "sts:AssumeRole"]
        Resource  = [local.organization_role, "arn:aws:iam::*:role/aws-reserved/*"]
        Condition = {
          ArnNotLike = { "aws:PrincipalArn" = [local.organization_role, "arn:aws:iam::*:role/aws-service-role/*"] }
        }
      },
    ]

    audit = [
      {
        Sid    = "LeaveTheRecords"
        Effect = "Deny"
        Action = [
          "cloudtrail:DeleteTrail", "cloudtrail:StopLogging", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors",
          "config:DeleteConfigurationRecorder", "config:DeleteDeliveryChannel", "config:StopConfigurationRecorder",
          "config:DeleteConfigRule", "config:PutConfigurationRecorder",
          "guardduty:DeleteDetector", "guardduty:UpdateDetector", "guardduty:DisassociateFromAdministratorAccount",
          "guardduty:StopMonitoringMembers", "guardduty:CreateFilter", "guardduty:DeletePublishingDestination",
          "securityhub:DisableSecurityHub", "securityhub:BatchDisableStandards",
          "securityhub:DisassociateFromAdministratorAccount",
          "inspector2:Disable", "inspector2:DisassociateMember",
          "access-analyzer:DeleteAnalyzer",
          "ec2:DeleteFlowLogs",
        ]
        Resource  = "*"
        Condition = local.unless_organization
      },
      {
        Sid      = "KeepKeysAndBackups"
        Effect   = "Deny"
        Action   = ["kms:ScheduleKeyDeletion", "backup:DeleteRecoveryPoint", "backup:DeleteBackupVaultLockConfiguration"]
        Resource = "*"
        Condition = {
          ArnNotLike = { "aws:PrincipalArn" = [local.organization_role, "arn:aws:iam::*:role/aws-service-role/*"] }
        }
      },
    ]

    data = [
      {
        Sid    = "NothingPublic"
        Effect = "Deny"
        Action = [
          "s3:PutAccountPublicAccessBlock", "ec2:DisableEbsEncryptionByDefault", "ec2:DisableImageBlockPublicAccess",
          "ec2:DisableSnapshotBlockPublicAccess", "ecr-public:*",
        ]
        Resource  = "*"
        Condition = local.unless_organization
      },
      {
        Sid       = "NoDatabaseInClear"
        Effect    = "Deny"
        Action    = ["rds:CreateDBInstance", "rds:CreateDBCluster"]
        Resource  = "*"
        Condition = { Bool = { "rds:StorageEncrypted" = "false" } }
      },
      {
        Sid       = "NoVolumeInClear"
        Effect    = "Deny"
        Action    = ["ec2:CreateVolume", "ec2:RunInstances"]
        Resource  = "arn:aws:ec2:*:*:volume/*"
        Condition = { Bool = { "ec2:Encrypted" = "false" } }
      },
      {
        Sid       = "OnlyIMDSv2"
        Effect    = "Deny"
        Action    = "ec2:RunInstances"
        Resource  = "arn:aws:ec2:*:*:instance/*"
        Condition = { StringNotEquals = { "ec2:MetadataHttpTokens" = "required" } }
      },
    ]

    network = [
      {
        # There is no path between environments: nothing that would make one can be made, nor shared or accepted.
        Sid    = "NoPathBetweenAccounts"
        Effect = "Deny"
        Action = [
          "ec2:CreateVpcPeeringConnection", "ec2:AcceptVpcPeeringConnection",
          "ec2:CreateTransitGateway*", "ec2:AcceptTransitGateway*",
          "ec2:CreateVpcEndpointServiceConfiguration", "ec2:AcceptVpcEndpointConnections",
          "ram:CreateResourceShare", "ram:AcceptResourceShareInvitation", "vpc-lattice:*", "networkmanager:*",
        ]
        Resource = "*"
      },
      {
        Sid    = "OnlyOurRegions"
        Effect = "Deny"
        # What has no region, or one only.
        NotAction = [
          "access-analyzer:*", "account:*", "acm:*", "aws-portal:*", "billing:*", "budgets:*", "ce:*", "cloudfront:*", "cur:*",
          "globalaccelerator:*", "health:*", "iam:*", "kms:*", "organizations:*", "pricing:*", "route53:*", "route53domains:*",
          "s3:GetAccountPublic*", "s3:ListAllMyBuckets", "s3:PutAccountPublic*", "shield:*", "sso:*", "sts:*", "support:*",
          "tag:*", "trustedadvisor:*", "waf:*", "wafv2:*",
        ]
        Resource  = "*"
        Condition = { StringNotEquals = { "aws:RequestedRegion" = var.regions } }
      },
    ]
  }

  # What is ours answers to us, over TLS: also where a policy on a bucket, key or secret would say otherwise.
  perimeter = [
    {
      Sid       = "OnlyOurPrincipals"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:*", "kms:*", "secretsmanager:*", "sqs:*"]
      Resource  = "*"
      Condition = {
        StringNotEqualsIfExists = { "aws:PrincipalOrgID" = aws_organizations_organization.this.id }
        BoolIfExists            = { "aws:PrincipalIsAWSService" = "false" }
      }
    },
    {
      Sid       = "OnlyTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:*", "secretsmanager:*", "sqs:*"]
      Resource  = "*"
      Condition = { BoolIfExists = { "aws:SecureTransport" = "false", "aws:PrincipalIsAWSService" = "false" } }
    },
    {
      Sid       = "TLS12"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = "*"
      Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" }, BoolIfExists = { "aws:PrincipalIsAWSService" = "false" } }
    },
  ]
}

resource "aws_organizations_policy" "guardrail" {
  for_each    = local.guardrails
  name        = "guardrail-${each.key}"
  description = "What nobody may do: ${each.key}."
  type        = "SERVICE_CONTROL_POLICY"
  content     = jsonencode({ Version = "2012-10-17", Statement = each.value })

  lifecycle {
    precondition {
      condition     = length(jsonencode({ Version = "2012-10-17", Statement = each.value })) <= 5120
      error_message = "A service control policy has at most 5120 characters."
    }
  }
}

resource "aws_organizations_policy_attachment" "guardrail" {
  for_each = {
    for pair in setproduct(keys(local.guardrails), keys(aws_organizations_organizational_unit.this)) :
    "${pair[0]}-${pair[1]}" => { policy = pair[0], unit = pair[1] }
  }
  policy_id = aws_organizations_policy.guardrail[each.value.policy].id
  target_id = aws_organizations_organizational_unit.this[each.value.unit].id
}

resource "aws_organizations_policy" "perimeter" {
  name        = "perimeter"
  description = "Who may use what is ours."
  type        = "RESOURCE_CONTROL_POLICY"
  content     = jsonencode({ Version = "2012-10-17", Statement = local.perimeter })
}

resource "aws_organizations_policy_attachment" "perimeter" {
  for_each  = aws_organizations_organizational_unit.this
  policy_id = aws_organizations_policy.perimeter.id
  target_id = each.value.id
}

resource "aws_organizations_policy" "tags" {
  name        = "tags"
  description = "How tags are spelled, and which values they have."
  type        = "TAG_POLICY"
  content = jsonencode({
    tags = {
      environment = {
        tag_key   = { "@@assign" = "environment" }
        tag_value = { "@@assign" = var.environments }
        enforced_for = {
          "@@assign" = ["ec2:instance", "ec2:volume", "rds:db", "s3:bucket", "secretsmanager:*", "elasticloadbalancing:*"]
        }
      }
      project    = { tag_key = { "@@assign" = "project" }, tag_value = { "@@assign" = ["homing"] } }
      managed-by = { tag_key = { "@@assign" = "managed-by" }, tag_value = { "@@assign" = ["terraform", "kubernetes"] } }
      owner      = { tag_key = { "@@assign" = "owner" } }
    }
  })
}

resource "aws_organizations_policy_attachment" "tags" {
  policy_id = aws_organizations_policy.tags.id
  target_id = aws_organizations_organization.this.roots[0].id
}
