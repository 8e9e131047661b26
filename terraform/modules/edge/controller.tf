# AWS Load Balancer Controller, with the rights that binding pods to one target group takes. Making load balancers from
# Ingresses and Services is not among them: there would be one that no firewall stands in front of.

locals {
  controller = { namespace = "kube-system", name = "aws-load-balancer-controller" }
  issuer     = regex("oidc-provider/(.*)$", var.oidc_provider_arn)[0]
}

data "aws_iam_policy_document" "controller_trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${local.controller.namespace}:${local.controller.name}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "controller" {
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAvailabilityZones", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs",
      "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroupAttributes",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"] # Describing has no resources.
  }
  statement {
    sid       = "BindPods"
    actions   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
    resources = [aws_lb_target_group.gateway.arn]
  }
}

resource "aws_iam_role" "controller" {
  name               = "${var.name}-lb-controller"
  assume_role_policy = data.aws_iam_policy_document.controller_trust.json
}

resource "aws_iam_role_policy" "controller" {
  name   = "bind-pods"
  role   = aws_iam_role.controller.id
  policy = data.aws_iam_policy_document.controller.json
}

resource "helm_release" "controller" {
  name       = local.controller.name
  namespace  = local.controller.namespace
  repository = "https://aws.github.io/eks-charts"
  chart      = "aws-load-balancer-controller"
  version    = "1.13.4"

  values = [yamlencode({
    clusterName                 = var.cluster_name
    region                      = data.aws_region.this.region
    vpcId                       = var.vpc_id
    replicaCount                = var.controller_replicas
    createIngressClassResource  = false
    enableServiceMutatorWebhook = false
    enableShield                = false
    enableWaf                   = false
    enableWafv2                 = false
    nodeSelector                = var.controller_scheduling.nodeSelector
    tolerations                 = var.controller_scheduling.tolerations
    serviceAccount = {
      name        = local.controller.name
      annotations = { "eks.amazonaws.com/role-arn" = aws_iam_role.controller.arn }
    }
  })]
}

# A chart of one file, because a plan with a custom resource needs the cluster to know its kind already.
resource "helm_release" "binding" {
  name      = "gateway-binding"
  namespace = "kourier-system"
  chart     = "${path.module}/charts/gateway-binding"

  values = [yamlencode({ targetGroupARN = aws_lb_target_group.gateway.arn })]

  depends_on = [helm_release.controller]
}
