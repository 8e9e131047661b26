output "namespaces" {
  description = "The namespaces, known once they are there and closed."
  value       = { for name, ns in kubernetes_namespace_v1.this : name => ns.metadata[0].name }
  depends_on = [
    kubernetes_network_policy_v1.default_deny, kubernetes_network_policy_v1.dns, kubernetes_network_policy_v1.within,
    kubernetes_network_policy_v1.api, kubernetes_network_policy_v1.internet, kubernetes_network_policy_v1.webhooks,
    kubernetes_network_policy_v1.in, kubernetes_network_policy_v1.out,
  ]
}

output "storage_class" {
  description = "The default storage class: gp3, encrypted, backed up daily."
  value       = kubernetes_storage_class_v1.gp3.metadata[0].name
}

output "gateway_namespace" {
  description = "Where Knative's gateway is, which the load balancer sends to."
  value       = local.gateway.namespace
}

output "secrets_service_accounts" {
  description = "By function: the account that fetches its secrets."
  value       = { for function, account in kubernetes_service_account_v1.secrets : function => account.metadata[0].name }
}
