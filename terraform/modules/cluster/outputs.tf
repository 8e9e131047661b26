output "name" {
  description = "The cluster's name, known once it answers."
  value       = aws_eks_cluster.this.name
}

output "version" {
  description = "The minor version of Kubernetes."
  value       = aws_eks_cluster.this.version
}

output "endpoint" {
  description = "Where its API is."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "What signs the API's certificate, PEM."
  value       = base64decode(aws_eks_cluster.this.certificate_authority[0].data)
}

output "oidc_provider_arn" {
  description = "The OIDC provider, for roles of service accounts."
  value       = aws_iam_openid_connect_provider.this.arn
}

output "node_role_arns" {
  description = "Roles of the nodes: what may pull images."
  value       = [for role in aws_iam_role.node : role.arn]
}

output "node_security_group_id" {
  description = "Security group of nodes, pods and the control plane."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "volumes_kms_key_arn" {
  description = "The key of persistent volumes."
  value       = aws_kms_key.volumes.arn
}

output "secrets_role_arns" {
  description = "By function: the role that fetches its secrets."
  value       = { for function, role in module.irsa_secrets : function => role.arn }
}

output "autoscaler_role_arn" {
  description = "The cluster-autoscaler's role."
  value       = module.irsa_autoscaler.arn
}
