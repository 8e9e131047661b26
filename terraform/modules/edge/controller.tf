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

locals {
  # The Knative operator puts the gateway beside Knative Serving.
  gateway = { namespace = "knative-serving", service = "kourier", certificate = "gateway-tls" }

  # Which function answers under which name. The mapping of the probes' name comes and goes with the probes
  # (monitoring/probe).
  functions = { (var.events_host) = "ingest", (var.api_host) = "manage" }

  objects = concat(
    [
      {
        apiVersion = "elbv2.k8s.aws/v1beta1"
        kind       = "TargetGroupBinding"
        metadata   = { name = "gateway", namespace = local.gateway.namespace }
        # Without `networking`, the controller leaves security groups alone: their rules are Terraform's.
        spec = {
          targetGroupARN = aws_lb_target_group.gateway.arn
          targetType     = "ip"
          serviceRef     = { name = local.gateway.service, port = 443 }
        }
      },
      # What the gateway shows the load balancer. A load balancer does not ask who signed it, so it signs itself; it is
      # what net-kourier-controller is told to serve (CERTS_SECRET_NAME in module platform).
      {
        apiVersion = "cert-manager.io/v1"
        kind       = "Issuer"
        metadata   = { name = "gateway", namespace = local.gateway.namespace }
        spec       = { selfSigned = {} }
      },
      {
        apiVersion = "cert-manager.io/v1"
        kind       = "Certificate"
        metadata   = { name = "gateway", namespace = local.gateway.namespace }
        spec = {
          secretName  = local.gateway.certificate
          dnsNames    = local.hosts
          duration    = "2160h"
          renewBefore = "720h"
          privateKey  = { algorithm = "ECDSA", size = 256, rotationPolicy = "Always" }
          issuerRef   = { name = "gateway", kind = "Issuer" }
        }
      },
    ],
    # The names that this namespace, and no other, may map.
    [
      for host in local.hosts : {
        apiVersion = "networking.internal.knative.dev/v1alpha1"
        kind       = "ClusterDomainClaim"
        metadata   = { name = host }
        spec       = { namespace = var.namespace }
      }
    ],
    [
      for host, service in local.functions : {
        apiVersion = "serving.knative.dev/v1beta1"
        kind       = "DomainMapping"
        metadata   = { name = host, namespace = var.namespace }
        spec       = { ref = { apiVersion = "serving.knative.dev/v1", kind = "Service", name = service } }
      }
    ],
  )
}

resource "helm_release" "objects" {
  name      = "edge"
  namespace = local.gateway.namespace
  chart     = "${path.module}/../../charts/objects"
  values    = [yamlencode({ objects = local.objects })]

  depends_on = [helm_release.controller, var.ready]
}
