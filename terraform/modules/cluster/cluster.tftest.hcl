mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { region = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC" }
  }
  override_resource {
    target = aws_eks_cluster.this
    values = {
      certificate_authority = [{ data = "QUJD" }]
      identity              = [{ oidc = [{ issuer = "https://oidc.eks.eu-central-1.amazonaws.com/id/ABC" }] }]
    }
  }
}

mock_provider "tls" {
  mock_data "tls_certificate" {
    defaults = { certificates = [{ sha1_fingerprint = "abc" }] }
  }
}

variables {
  name                  = "homing-test"
  vpc_id                = "vpc-1"
  subnet_ids            = ["subnet-a", "subnet-b", "subnet-c"]
  vpn                   = true
  vpn_security_group_id = "sg-vpn"
  secret_prefix         = "homing/test"
  secrets_kms_key_arn   = "arn:aws:kms:eu-central-1:111122223333:key/secrets"
  admin_role_arns       = ["arn:aws:iam::111122223333:role/admin"]
  deployer_role_arns    = ["arn:aws:iam::111122223333:role/deploy"]
  node_groups = {
    system      = { instance_types = ["m7i.large"], min = 3, desired = 3, max = 6 }
    application = { instance_types = ["m7i.large"], min = 2, desired = 3, max = 10 }
    build       = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 5 }
  }
}

run "the_control_plane" {
  assert {
    condition     = aws_eks_cluster.this.version == "1.34"
    error_message = "The cluster is pinned to 1.34."
  }
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"]) && aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == aws_kms_key.secrets.arn
    error_message = "Secrets must be in an envelope of our own key."
  }
  assert {
    condition     = contains(aws_eks_cluster.this.enabled_cluster_log_types, "audit") && aws_cloudwatch_log_group.control_plane.kms_key_id == aws_kms_key.logs.arn
    error_message = "The audit log must be kept, encrypted."
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "The API must be reached from inside only."
  }
  assert {
    condition     = aws_eks_cluster.this.access_config[0].authentication_mode == "API" && !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    error_message = "Who made the cluster must not be its administrator for that."
  }
  assert {
    condition     = alltrue([for key in [aws_kms_key.secrets, aws_kms_key.logs, aws_kms_key.volumes] : key.enable_key_rotation])
    error_message = "Every key rotates."
  }
  assert {
    condition     = aws_eks_access_policy_association.deployer["arn:aws:iam::111122223333:role/deploy"].access_scope[0].namespaces == toset(["homing"])
    error_message = "The pipeline may deploy into homing only."
  }
}

run "three_node_groups" {
  assert {
    condition     = toset(keys(aws_eks_node_group.this)) == toset(["system", "application", "build"])
    error_message = "The node groups are system, application and build."
  }
  assert {
    condition     = alltrue([for g in aws_eks_node_group.this : g.scaling_config[0].min_size >= 1 && g.scaling_config[0].max_size <= 10])
    error_message = "Each has 1 to 10 nodes."
  }
  assert {
    condition     = alltrue([for g in aws_eks_node_group.this : g.version == aws_eks_cluster.this.version])
    error_message = "Nodes must have the cluster's version."
  }
  assert {
    condition     = length(aws_eks_node_group.this["system"].taint) == 1 && length(aws_eks_node_group.this["build"].taint) == 1 && length(aws_eks_node_group.this["application"].taint) == 0
    error_message = "system and build are entered with a toleration, application by everybody."
  }
  assert {
    condition = alltrue([for t in aws_launch_template.node : t.block_device_mappings[0].ebs[0].encrypted == "true"
    && t.block_device_mappings[0].ebs[0].volume_type == "gp3" && t.block_device_mappings[0].ebs[0].kms_key_id == aws_kms_key.volumes.arn])
    error_message = "Disks must be gp3, encrypted by our key."
  }
  assert {
    condition     = alltrue([for t in aws_launch_template.node : t.metadata_options[0].http_tokens == "required" && t.metadata_options[0].http_put_response_hop_limit == 1])
    error_message = "Pods must not reach the node's role."
  }
  assert {
    condition     = toset([for a in aws_iam_role_policy_attachment.node : a.policy_arn]) == toset(["arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy", "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"])
    error_message = "Nodes join the cluster and pull images, no more."
  }
}

run "each_function_has_its_own_secrets" {
  assert {
    condition     = toset(keys(module.irsa_secrets)) == toset(["ingest", "deliver", "retry", "manage"])
    error_message = "Each function needs a role for its secrets."
  }
  assert {
    condition = alltrue([for function, document in data.aws_iam_policy_document.secrets : document.statement[0].resources ==
    toset(["arn:aws:secretsmanager:eu-central-1:111122223333:secret:homing/test/${function}/*"])])
    error_message = "A function's role reads another's secrets."
  }
  assert {
    condition = alltrue(flatten([for document in data.aws_iam_policy_document.secrets : [for s in document.statement : [for a in s.actions :
    contains(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", "kms:Decrypt"], a)]]]))
    error_message = "The roles for secrets do more than read."
  }
  assert {
    condition = alltrue([for document in data.aws_iam_policy_document.secrets : document.statement[1].resources == toset([var.secrets_kms_key_arn])
    && length(document.statement[1].condition) == 2])
    error_message = "The key may be used for these secrets only."
  }
}

run "the_autoscaler_scales_this_cluster_only" {
  assert {
    condition = alltrue([for s in data.aws_iam_policy_document.autoscaler.statement : alltrue([for a in s.actions : can(regex(":(Describe|Get)", a))])
    || anytrue([for c in s.condition : c.variable == "aws:ResourceTag/kubernetes.io/cluster/homing-test" && c.values == tolist(["owned"])])])
    error_message = "The autoscaler may change groups of others."
  }
}

run "addons_are_pinned" {
  assert {
    condition     = alltrue([for a in merge(aws_eks_addon.network, aws_eks_addon.this) : can(regex("-eksbuild\\.[0-9]+$", a.addon_version))])
    error_message = "An add-on takes whatever is newest."
  }
  assert {
    condition     = jsondecode(aws_eks_addon.network["vpc-cni"].configuration_values).enableNetworkPolicy == "false"
    error_message = "Two agents would enforce network policies."
  }
}

run "refuses_eleven_nodes" {
  command = plan
  variables {
    node_groups = {
      system      = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 3 }
      application = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 11 }
      build       = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 3 }
    }
  }
  expect_failures = [var.node_groups]
}

run "refuses_no_nodes" {
  command = plan
  variables {
    node_groups = {
      system      = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 3 }
      application = { instance_types = ["m7i.large"], min = 1, desired = 1, max = 3 }
      build       = { instance_types = ["m7i.large"], min = 0, desired = 0, max = 3 }
    }
  }
  expect_failures = [var.node_groups]
}

run "refuses_versions_that_knative_refuses" {
  command = plan
  variables {
    kubernetes_version = "1.32"
  }
  expect_failures = [var.kubernetes_version]
}

run "refuses_a_kube_proxy_of_another_version" {
  command = plan
  variables {
    kubernetes_version = "1.35"
  }
  expect_failures = [var.addon_versions]
}

run "refuses_an_api_for_everybody" {
  command = plan
  variables {
    public_access_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.public_access_cidrs]
}
