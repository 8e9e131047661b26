# Who in the cluster may do what in AWS. A role belongs to one service account. Functions have none: external-secrets
# fetches each function's secrets for it, by a role that can read those and nothing else, so that a function that is
# taken over holds no credentials of AWS.

locals {
  functions = toset(["ingest", "deliver", "retry", "manage"])
  secrets   = "arn:aws:secretsmanager:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:secret:${var.secret_prefix}"
}

data "tls_certificate" "oidc" {
  url = aws_eks_cluster.this.identity[0].oidc[0].issuer
}

resource "aws_iam_openid_connect_provider" "this" {
  url             = aws_eks_cluster.this.identity[0].oidc[0].issuer
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = [data.tls_certificate.oidc.certificates[0].sha1_fingerprint]
  tags            = var.tags
}

data "aws_iam_policy_document" "secrets" {
  for_each = local.functions
  statement {
    sid       = "OwnSecrets"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = ["${local.secrets}/${each.key}/*"]
  }
  statement {
    sid       = "OpenThem"
    actions   = ["kms:Decrypt"]
    resources = [var.secrets_kms_key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:SecretARN"
      values   = ["${local.secrets}/${each.key}/*"]
    }
  }
}

module "irsa_secrets" {
  source            = "../irsa"
  for_each          = local.functions
  name              = "${var.name}-secrets-${each.key}"
  oidc_provider_arn = aws_iam_openid_connect_provider.this.arn
  namespace         = "homing"
  service_account   = "secrets-${each.key}"
  policies          = { read = data.aws_iam_policy_document.secrets[each.key].json }
  tags              = var.tags
}

module "irsa_vpc_cni" {
  source             = "../irsa"
  name               = "${var.name}-vpc-cni"
  oidc_provider_arn  = aws_iam_openid_connect_provider.this.arn
  namespace          = "kube-system"
  service_account    = "aws-node"
  managed_policy_arn = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
  tags               = var.tags
}

data "aws_iam_policy_document" "ebs_csi" {
  statement {
    sid       = "VolumesOfThisKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey", "kms:ReEncrypt*"]
    resources = [aws_kms_key.volumes.arn]
  }
  statement {
    sid       = "GrantsForVolumes"
    actions   = ["kms:CreateGrant"]
    resources = [aws_kms_key.volumes.arn]
    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }
}

module "irsa_ebs_csi" {
  source             = "../irsa"
  name               = "${var.name}-ebs-csi"
  oidc_provider_arn  = aws_iam_openid_connect_provider.this.arn
  namespace          = "kube-system"
  service_account    = "ebs-csi-controller-sa"
  managed_policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
  policies           = { key = data.aws_iam_policy_document.ebs_csi.json }
  tags               = var.tags
}

# It may look at everything that it must compare, and change the size of this cluster's groups only.
data "aws_iam_policy_document" "autoscaler" {
  statement {
    sid = "Look"
    actions = [
      "autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities", "ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements", "eks:DescribeNodegroup",
    ]
    resources = ["*"]
  }
  statement {
    sid       = "ScaleOwn"
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/kubernetes.io/cluster/${var.name}"
      values   = ["owned"]
    }
  }
}

module "irsa_autoscaler" {
  source            = "../irsa"
  name              = "${var.name}-cluster-autoscaler"
  oidc_provider_arn = aws_iam_openid_connect_provider.this.arn
  namespace         = "kube-system"
  service_account   = "cluster-autoscaler"
  policies          = { scale = data.aws_iam_policy_document.autoscaler.json }
  tags              = var.tags
}
