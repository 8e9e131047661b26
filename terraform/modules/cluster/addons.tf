# What EKS itself runs in the cluster. The network add-ons come before the nodes, the others need nodes.

locals {
  network_addons = {
    vpc-cni = {
      role = module.irsa_vpc_cni.arn
      # Calico enforces policies, so the CNI's own agent stays off; Calico learns of new pods by the annotation.
      values = { enableNetworkPolicy = "false", env = { ENABLE_PREFIX_DELEGATION = "true", ANNOTATE_POD_IP = "true" } }
    }
    kube-proxy = { role = null, values = {} }
  }
  on_system = { tolerations = [{ key = "CriticalAddonsOnly", operator = "Exists" }], nodeSelector = { "homing.io/group" = "system" } }
  addons = {
    coredns             = { role = null, values = local.on_system }
    aws-ebs-csi-driver  = { role = module.irsa_ebs_csi.arn, values = { controller = local.on_system, node = { tolerateAllTaints = true } } }
    snapshot-controller = { role = null, values = local.on_system }
    metrics-server      = { role = null, values = local.on_system }
  }
}

resource "aws_eks_addon" "network" {
  for_each                    = local.network_addons
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  service_account_role_arn    = each.value.role
  configuration_values        = jsonencode(each.value.values)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = var.tags
}

resource "aws_eks_addon" "this" {
  for_each                    = local.addons
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  addon_version               = var.addon_versions[each.key]
  service_account_role_arn    = each.value.role
  configuration_values        = jsonencode(each.value.values)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = var.tags
  depends_on                  = [aws_eks_node_group.this]
}
