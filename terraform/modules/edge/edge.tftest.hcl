mock_provider "aws" {
  override_during = plan
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/homing-dev/1" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/homing-dev-gw/1" }
  }
  mock_resource "aws_security_group" {
    defaults = { id = "sg-edge" }
  }
  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:eu-central-1:111122223333:certificate/1"
      domain_validation_options = [{
        domain_name           = "events.dev.example.com"
        resource_record_name  = "_a.events.dev.example.com"
        resource_record_type  = "CNAME"
        resource_record_value = "_b.acm-validations.aws"
      }]
    }
  }
}
mock_provider "helm" {}

variables {
  name                   = "homing-dev"
  vpc_id                 = "vpc-1"
  public_subnet_ids      = ["subnet-1", "subnet-2", "subnet-3"]
  cluster_name           = "homing-dev"
  oidc_provider_arn      = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC"
  node_security_group_id = "sg-nodes"
  zone_id                = "Z1"
  zone_name              = "dev.example.com"
  events_host            = "events.dev.example.com"
  api_host               = "api.dev.example.com"
  alarm_topic_arn        = "arn:aws:sns:eu-central-1:111122223333:alarms"
}

run "tls" {
  command = plan

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.port == 443
    error_message = "The one listener speaks HTTPS."
  }
  assert {
    condition     = aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "TLS 1.2 at least: ${aws_lb_listener.https.ssl_policy}"
  }
  assert {
    condition     = aws_lb_target_group.gateway.protocol == "HTTPS"
    error_message = "Also between load balancer and gateway nothing goes in clear."
  }
  assert {
    condition     = aws_lb_listener.https.default_action[0].type == "fixed-response"
    error_message = "Names that are not ours must not reach the gateway."
  }
  assert {
    condition     = toset(one(one(aws_lb_listener_rule.gateway.condition).host_header).values) == toset([var.events_host, var.api_host])
    error_message = "Both names go to the gateway, and no other: without probes there is no third."
  }
  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && aws_lb.this.desync_mitigation_mode == "strictest"
    error_message = "Requests that are read in two ways must end here."
  }
  assert {
    condition     = aws_lb.this.enable_deletion_protection && aws_lb.this.access_logs[0].enabled
    error_message = "The load balancer is kept from deletion, and logs."
  }
}

run "only_https_comes_in" {
  command = plan

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.https.from_port == 443 && aws_vpc_security_group_ingress_rule.https.to_port == 443
    )
    error_message = "Nothing but 443 is open to the world."
  }
  assert {
    condition = alltrue([
      for r in aws_vpc_security_group_egress_rule.gateway :
      r.referenced_security_group_id == "sg-nodes" && r.from_port == r.to_port && contains([8443, 9000], r.from_port)
    ])
    error_message = "The load balancer reaches the gateway's two ports on the nodes, and nothing else."
  }
  assert {
    condition = alltrue([
      for r in aws_vpc_security_group_ingress_rule.gateway :
      r.referenced_security_group_id == "sg-edge" && r.security_group_id == "sg-nodes"
    ])
    error_message = "The nodes let the load balancer in, and nobody else."
  }
}

run "the_firewall_guards_what_ends_tls" {
  command = plan

  assert {
    condition     = aws_wafv2_web_acl_association.lb.resource_arn == aws_lb_listener.https.load_balancer_arn
    error_message = "The firewall must stand in front of the load balancer that ends TLS."
  }
  assert {
    condition = toset([for r in aws_wafv2_web_acl.this.rule : r.name]) == toset([
      "declared-too-large", "addresses-of-ill-repute", "rate-of-events", "rate-of-everything-else",
      "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesSQLiRuleSet",
    ])
    error_message = "The rules: ${join(", ", [for r in aws_wafv2_web_acl.this.rule : r.name])}"
  }
  assert {
    condition = alltrue([
      for r in aws_wafv2_web_acl.this.rule : !r.visibility_config[0].sampled_requests_enabled
    ]) && !aws_wafv2_web_acl.this.visibility_config[0].sampled_requests_enabled
    error_message = "Samples would show API keys."
  }
  assert {
    condition = contains(flatten([
      for f in aws_wafv2_web_acl_logging_configuration.this.redacted_fields : [for h in f.single_header : h.name]
    ]), "authorization")
    error_message = "The log must not hold API keys."
  }
}

run "payloads_up_to_the_limit_pass" {
  command = plan

  # What a request declares as its length, against the rule's own expression.
  assert {
    condition = alltrue([
      for length in ["0", "1", "8192", "8193", "65537", "999999", "1000000", "1048575", "1048576"] :
      !can(regex(local.too_large, length))
    ])
    error_message = "A payload of up to 1 MiB must pass."
  }
  assert {
    condition = alltrue([
      for length in ["1048577", "1048580", "1048600", "1049000", "1050000", "1100000", "2000000", "9999999", "10000000", "001048577", "99999999999"] :
      can(regex(local.too_large, length))
    ])
    error_message = "What declares itself larger must not."
  }
  assert {
    condition = one([
      for r in aws_wafv2_web_acl.this.rule : r.statement[0].regex_match_statement[0].regex_string if r.name == "declared-too-large"
    ]) == local.too_large
    error_message = "The rule must use that expression."
  }
  assert {
    condition = one([
      for r in aws_wafv2_web_acl.this.rule : r.action[0].block[0].custom_response[0].response_code if r.name == "declared-too-large"
    ]) == 413
    error_message = "Too large is 413 at the edge as it is in the function."
  }

  # In front of an ALB, a firewall that judges bodies judges their first 8 KiB, and refuses the rest or a customer's words.
  assert {
    condition = alltrue([
      for r in aws_wafv2_web_acl.this.rule : alltrue([
        for field in flatten([
          r.statement[0].size_constraint_statement[*].field_to_match,
          r.statement[0].regex_match_statement[*].field_to_match,
          r.statement[0].byte_match_statement[*].field_to_match,
        ]) : length(field.body) == 0 && length(field.json_body) == 0
      ])
    ])
    error_message = "No rule of ours looks at bodies."
  }
  assert {
    condition = alltrue([
      for name in ["SizeRestrictions_BODY", "GenericRFI_BODY", "CrossSiteScripting_BODY"] : anytrue(flatten([
        for r in aws_wafv2_web_acl.this.rule : [
          for o in try(r.statement[0].managed_rule_group_statement[0].rule_action_override, []) :
          o.name == name && length(o.action_to_use[0].count) == 1
        ] if r.name == "AWSManagedRulesCommonRuleSet"
      ]))
    ])
    error_message = "The managed rules that judge bodies must only count: SizeRestrictions_BODY refuses what is over 8 KiB."
  }
  assert {
    condition = alltrue([
      for r in aws_wafv2_web_acl.this.rule :
      try(one(r.statement[0].managed_rule_group_statement[0].scope_down_statement[0].not_statement[0].statement[0].byte_match_statement).search_string == var.events_host, false)
      if contains(keys(local.counted), r.name)
    ])
    error_message = "Where events are sent, no rule looks at what a request holds."
  }
}

run "another_limit" {
  command = plan
  variables {
    max_payload_bytes = 5242880
  }
  assert {
    condition     = !can(regex(local.too_large, "5242880")) && can(regex(local.too_large, "5242881"))
    error_message = "The limit follows the setting: ${local.too_large}"
  }
}

run "a_limit_with_nines" {
  command = plan
  variables {
    max_payload_bytes = 19999
  }
  assert {
    condition     = !can(regex(local.too_large, "19999")) && can(regex(local.too_large, "20000"))
    error_message = "A nine has no larger digit: ${local.too_large}"
  }
}

run "rates" {
  command = plan

  assert {
    condition = {
      for r in aws_wafv2_web_acl.this.rule : r.name => r.statement[0].rate_based_statement[0].limit
      if startswith(r.name, "rate-of-")
    } == { rate-of-events = 300000, rate-of-everything-else = 10000 }
    error_message = "Each has the rate that was asked for."
  }
}

run "the_controller_binds_and_nothing_else" {
  command = plan

  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.controller.statement :
      !contains(s.resources, "*") || alltrue([for a in s.actions : can(regex(":Describe", a))])
    ])
    error_message = "On everything the controller may only look."
  }
  assert {
    condition = !anytrue(flatten([
      for s in data.aws_iam_policy_document.controller.statement : [for a in s.actions : can(regex("Create|Authorize|Delete", a))]
    ]))
    error_message = "The controller must not make load balancers: no firewall would stand in front of them."
  }
  assert {
    condition = anytrue(flatten([
      for s in data.aws_iam_policy_document.controller_trust.statement : [
        for c in s.condition :
        c.variable == "oidc.eks.eu-central-1.amazonaws.com/id/ABC:sub" &&
        c.values == tolist(["system:serviceaccount:kube-system:aws-load-balancer-controller"])
      ]
    ]))
    error_message = "One service account becomes the role."
  }
}

run "objects" {
  command = plan

  assert {
    condition = one([for o in local.objects : o.spec if o.kind == "TargetGroupBinding"]) == {
      targetGroupARN = aws_lb_target_group.gateway.arn
      targetType     = "ip"
      serviceRef     = { name = "kourier", port = 443 }
    }
    error_message = "The gateway's pods go into the target group that the firewall is in front of."
  }
  assert {
    condition = { for o in local.objects : o.metadata.name => o.spec.ref.name if o.kind == "DomainMapping" } == {
      "events.dev.example.com" = "ingest", "api.dev.example.com" = "manage"
    }
    error_message = "Events go to ingest, all else to manage."
  }
  assert {
    condition = { for o in local.objects : o.metadata.name => o.spec.namespace if o.kind == "ClusterDomainClaim" } == {
      "events.dev.example.com" = "homing", "api.dev.example.com" = "homing"
    }
    error_message = "The functions' namespace may map these names, and no other."
  }
}

run "certificate" {
  command = plan

  assert {
    condition     = aws_acm_certificate.this.validation_method == "DNS" && length(aws_route53_record.validation) == 1
    error_message = "ACM renews by itself what is validated by DNS."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.certificate.threshold >= 30 && aws_cloudwatch_metric_alarm.certificate.treat_missing_data == "breaching"
    error_message = "A certificate that is not renewed must be heard of, a month ahead."
  }
}

run "without_probes_there_are_two_names" {
  command = plan

  assert {
    condition     = output.hosts == ["events.dev.example.com", "api.dev.example.com"]
    error_message = "Nothing has a name that nobody asked for: ${join(", ", output.hosts)}"
  }
  assert {
    condition     = aws_acm_certificate.this.subject_alternative_names == toset(["api.dev.example.com"])
    error_message = "The certificate is for the two names."
  }
  assert {
    condition     = toset(keys(aws_route53_record.host)) == toset(["events.dev.example.com", "api.dev.example.com"])
    error_message = "Two names are in DNS."
  }
}

run "with_probes_there_are_three" {
  command = plan
  variables {
    probe_host = "probe.dev.example.com"
  }
  override_resource {
    target          = aws_acm_certificate.this
    override_during = plan
    values = {
      arn = "arn:aws:acm:eu-central-1:111122223333:certificate/1"
      domain_validation_options = [
        {
          domain_name           = "events.dev.example.com"
          resource_record_name  = "_a.events.dev.example.com"
          resource_record_type  = "CNAME"
          resource_record_value = "_b.acm-validations.aws"
        },
        {
          domain_name           = "api.dev.example.com"
          resource_record_name  = "_a.api.dev.example.com"
          resource_record_type  = "CNAME"
          resource_record_value = "_b.acm-validations.aws"
        },
        {
          domain_name           = "probe.dev.example.com"
          resource_record_name  = "_a.probe.dev.example.com"
          resource_record_type  = "CNAME"
          resource_record_value = "_b.acm-validations.aws"
        },
      ]
    }
  }

  assert {
    condition     = output.hosts == ["events.dev.example.com", "api.dev.example.com", "probe.dev.example.com"]
    error_message = "The probes' name is one of the public ones: ${join(", ", output.hosts)}"
  }
  assert {
    condition = (
      aws_acm_certificate.this.domain_name == "events.dev.example.com" &&
      aws_acm_certificate.this.subject_alternative_names == toset(["api.dev.example.com", "probe.dev.example.com"])
    )
    error_message = "Deliver verifies certificates: the probes' name must be in it."
  }
  assert {
    condition     = aws_route53_record.validation["probe.dev.example.com"].name == "_a.probe.dev.example.com"
    error_message = "ACM waits for a record of each name."
  }
  assert {
    condition     = aws_route53_record.host["probe.dev.example.com"].alias[0].name == aws_lb.this.dns_name
    error_message = "The probes' name leads to the load balancer."
  }
  assert {
    condition     = contains(one(one(aws_lb_listener_rule.gateway.condition).host_header).values, "probe.dev.example.com")
    error_message = "The load balancer must let the probes' name through."
  }
  assert {
    condition     = contains(one([for o in local.objects : o.spec.dnsNames if o.kind == "Certificate"]), "probe.dev.example.com")
    error_message = "The gateway shows a certificate for the probes' name."
  }
  assert {
    condition = one([
      for o in local.objects : o.spec if o.kind == "ClusterDomainClaim" && o.metadata.name == "probe.dev.example.com"
    ]) == { namespace = "homing" }
    error_message = "Without a claim Knative refuses the mapping of monitoring/probe."
  }
  assert {
    condition     = !contains([for o in local.objects : o.metadata.name if o.kind == "DomainMapping"], "probe.dev.example.com")
    error_message = "The mapping is monitoring/probe's: two owners would take it from each other."
  }
  # Webhooks are POSTs with any body, from the few addresses of the NAT gateways.
  assert {
    condition = alltrue([
      for r in aws_wafv2_web_acl.this.rule :
      one(r.statement[0].rate_based_statement[0].scope_down_statement[0].not_statement[0].statement[0].byte_match_statement).search_string == var.events_host &&
      r.statement[0].rate_based_statement[0].limit >= 1000 if r.name == "rate-of-everything-else"
    ])
    error_message = "The probes' name has the rate of everything else, which webhooks of probes do not come near."
  }
  assert {
    condition = toset(flatten([
      for r in aws_wafv2_web_acl.this.rule : [
        for o in r.statement[0].managed_rule_group_statement[0].rule_action_override : o.name if length(o.action_to_use[0].count) == 1
      ] if contains(keys(local.counted), r.name)
    ])) == toset(flatten(values(local.counted)))
    error_message = "What judges bodies only counts, at the probes' name too."
  }
}

run "a_probes_name_outside_the_zone_is_refused" {
  command = plan
  variables {
    probe_host = "probe.example.org"
  }
  expect_failures = [var.probe_host]
}

run "one_name_for_events_and_probes_is_refused" {
  command = plan
  variables {
    probe_host = "events.dev.example.com"
  }
  expect_failures = [var.probe_host]
}

run "old_tls_is_refused" {
  command = plan
  variables {
    tls_policy = "ELBSecurityPolicy-TLS-1-1-2017-01"
  }
  expect_failures = [var.tls_policy]
}

run "old_tls_by_another_name_is_refused" {
  command = plan
  variables {
    tls_policy = "ELBSecurityPolicy-TLS13-1-0-2021-06"
  }
  expect_failures = [var.tls_policy]
}

run "one_name_for_both_is_refused" {
  command = plan
  variables {
    api_host = "events.dev.example.com"
  }
  expect_failures = [var.api_host]
}
