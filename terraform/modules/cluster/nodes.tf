# Three managed node groups, each scaled between 1 and 10 by the cluster-autoscaler.

locals {
  # system and build are entered with a toleration only. application has no taint: Knative's services may carry
  # tolerations only behind a feature flag, and what names no group is ours to run.
  taints = {
    system      = { key = "CriticalAddonsOnly", value = "true", effect = "NO_SCHEDULE" }
    application = null
    build       = { key = "homing.io/group", value = "build", effect = "NO_SCHEDULE" }
  }
  node_policies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"]
}

data "aws_iam_policy_document" "assume_ec2" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "node" {
  for_each           = var.node_groups
  name               = "${var.name}-node-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume_ec2.json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each   = { for pair in setproduct(keys(var.node_groups), local.node_policies) : "${pair[0]}-${pair[1]}" => pair }
  role       = aws_iam_role.node[each.value[0]].name
  policy_arn = "arn:aws:iam::aws:policy/${each.value[1]}"
}

resource "aws_launch_template" "node" {
  for_each    = var.node_groups
  name        = "${var.name}-${each.key}"
  description = "Encrypted disks, and no way for pods to the node's role"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = each.value.disk_gib
      encrypted             = true
      kms_key_id            = aws_kms_key.volumes.arn
      delete_on_termination = true
    }
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = "${var.name}-${each.key}" })
    }
  }

  tags = var.tags
}

resource "aws_eks_node_group" "this" {
  for_each        = var.node_groups
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node[each.key].arn
  subnet_ids      = var.subnet_ids
  version         = var.kubernetes_version
  ami_type        = "AL2023_x86_64_STANDARD"
  capacity_type   = "ON_DEMAND"
  instance_types  = each.value.instance_types
  labels          = { "homing.io/group" = each.key }

  launch_template {
    id      = aws_launch_template.node[each.key].id
    version = aws_launch_template.node[each.key].latest_version
  }

  scaling_config {
    min_size     = each.value.min
    desired_size = each.value.desired
    max_size     = each.value.max
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  dynamic "taint" {
    for_each = local.taints[each.key] == null ? [] : [local.taints[each.key]]
    content {
      key    = taint.value.key
      value  = taint.value.value
      effect = taint.value.effect
    }
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size] # the cluster-autoscaler's
  }

  tags       = var.tags
  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.network]
}
