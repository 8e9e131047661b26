mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name              = "homing-test-reader"
  oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
  namespace         = "homing"
  service_account   = "reader"
  policies          = { read = "{}" }
}

run "exactly_one_service_account" {
  assert {
    condition = alltrue([for c in data.aws_iam_policy_document.assume.statement[0].condition : c.test == "StringEquals"]) && anytrue([
    for c in data.aws_iam_policy_document.assume.statement[0].condition : c.variable == "oidc.eks.eu-central-1.amazonaws.com/id/ABC:sub" && c.values == tolist(["system:serviceaccount:homing:reader"])])
    error_message = "The role must be for this service account of this cluster only."
  }
  assert {
    condition = anytrue([for c in data.aws_iam_policy_document.assume.statement[0].condition :
    c.variable == "oidc.eks.eu-central-1.amazonaws.com/id/ABC:aud" && c.values == tolist(["sts.amazonaws.com"])])
    error_message = "Tokens for another audience must not be taken."
  }
}

run "refuses_wildcards" {
  command = plan
  variables {
    service_account = "*"
  }
  expect_failures = [var.service_account]
}

run "refuses_administrators" {
  command = plan
  variables {
    managed_policy_arn = "arn:aws:iam::aws:policy/AdministratorAccess"
  }
  expect_failures = [var.managed_policy_arn]
}
