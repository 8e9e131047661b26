// Command infradoc writes what is to be read about the infrastructure from what it is made of: docs/infrastructure.md,
// the diagrams, from the Terraform code; docs/costs.md, from the sizes of each environment (environment.auto.tfvars)
// and terraform/prices.yaml; docs/environments.md, from these sizes and knative/overlays.
//
//	go run ./hack/infradoc          writes them
//	go run ./hack/infradoc -check   fails when one of them is not current
//
// It promises that every number of the cost table is a product that stands beside it. It never asks AWS: prices are
// assumptions, with their date.
package main
