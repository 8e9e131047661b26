# What the firewall decides by: where a request comes from, how often, how large it says it is, and, for the management
# API, what its path, query and headers hold. Never by what a body holds: bodies are other people's data. An event that
# quotes an attack is an event, and a rule that refuses it loses it.
#
# The probes' name is treated as the API's. The webhooks that arrive there come from Homing itself: a few a round, with
# paths and headers of its own, so rates and rules leave them alone, and strangers are held to both.
#
# In front of an ALB, WAF sees the first 8 KiB of a body and no more. So
#  - a rule that measures bodies can only say "more than 8 KiB". The managed one that blocks those is made to count;
#  - the limit of payloads is held by the Content-Length that the request declares. Bodies that declare none (chunked) are
#    measured by the function, which reads no further than its limit.

locals {
  # The managed rules that look at bodies, and one that refuses requests without a User-Agent, which many a script has
  # not.
  counted = {
    AWSManagedRulesCommonRuleSet = [
      "SizeRestrictions_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "CrossSiteScripting_BODY",
      "NoUserAgent_HEADER",
    ]
    AWSManagedRulesKnownBadInputsRuleSet = ["JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"]
    AWSManagedRulesSQLiRuleSet           = ["SQLi_BODY", "SQLiExtendedPatterns_BODY"]
  }
  priorities = {
    AWSManagedRulesCommonRuleSet         = 40
    AWSManagedRulesKnownBadInputsRuleSet = 50
    AWSManagedRulesSQLiRuleSet           = 60
  }

  # A decimal number larger than the limit, as a regular expression: more digits, or as many and, at the first that
  # differs, a larger one. For 1048576: [2-9][0-9]{6}, 1[1-9][0-9]{5}, 10[5-9][0-9]{4}, …
  digits = split("", tostring(var.max_payload_bytes))
  larger = concat(["[0-9]{${length(local.digits) + 1},}"], [
    for i, d in local.digits :
    "${join("", slice(local.digits, 0, i))}[${tonumber(d) + 1}-9][0-9]{${length(local.digits) - i - 1}}" if d != "9"
  ])
  too_large = "^0*(${join("|", local.larger)})$"

  problems = "https://github.com/homing-hooks/homing/blob/main/docs/problems.md"
}

resource "aws_wafv2_web_acl" "this" {
  name        = var.name
  description = "In front of the public load balancer"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  custom_response_body {
    key          = "too-large"
    content_type = "APPLICATION_JSON"
    content      = jsonencode({ type = "${local.problems}#too-large", title = "The request is too large", status = 413 })
  }
  custom_response_body {
    key          = "too-many-requests"
    content_type = "APPLICATION_JSON"
    content      = jsonencode({ type = "${local.problems}#too-many-requests", title = "Too many requests", status = 429 })
  }

  rule {
    name     = "declared-too-large"
    priority = 10
    action {
      block {
        custom_response {
          response_code            = 413
          custom_response_body_key = "too-large"
        }
      }
    }
    statement {
      regex_match_statement {
        regex_string = local.too_large
        field_to_match {
          single_header {
            name = "content-length"
          }
        }
        text_transformation {
          priority = 0
          type     = "NONE"
        }
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "declared-too-large"
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "addresses-of-ill-repute"
    priority = 20
    override_action {
      none {}
    }
    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesAmazonIpReputationList"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "addresses-of-ill-repute"
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "rate-of-events"
    priority = 30
    action {
      block {
        custom_response {
          response_code            = 429
          custom_response_body_key = "too-many-requests"
          response_header {
            name  = "Retry-After"
            value = "60"
          }
        }
      }
    }
    statement {
      rate_based_statement {
        limit                 = var.events_per_5_minutes
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"
        scope_down_statement {
          byte_match_statement {
            search_string         = var.events_host
            positional_constraint = "EXACTLY"
            field_to_match {
              single_header {
                name = "host"
              }
            }
            text_transformation {
              priority = 0
              type     = "LOWERCASE"
            }
          }
        }
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate-of-events"
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "rate-of-everything-else"
    priority = 31
    action {
      block {
        custom_response {
          response_code            = 429
          custom_response_body_key = "too-many-requests"
          response_header {
            name  = "Retry-After"
            value = "60"
          }
        }
      }
    }
    statement {
      rate_based_statement {
        limit                 = var.api_requests_per_5_minutes
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"
        scope_down_statement {
          not_statement {
            statement {
              byte_match_statement {
                search_string         = var.events_host
                positional_constraint = "EXACTLY"
                field_to_match {
                  single_header {
                    name = "host"
                  }
                }
                text_transformation {
                  priority = 0
                  type     = "LOWERCASE"
                }
              }
            }
          }
        }
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "rate-of-everything-else"
      sampled_requests_enabled   = false
    }
  }

  # Not where events are sent: also a rule that is added to a group one day must not refuse one.
  dynamic "rule" {
    for_each = local.counted
    iterator = group
    content {
      name     = group.key
      priority = local.priorities[group.key]
      override_action {
        none {}
      }
      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = group.key

          dynamic "rule_action_override" {
            for_each = group.value
            content {
              name = rule_action_override.value
              action_to_use {
                count {}
              }
            }
          }

          scope_down_statement {
            not_statement {
              statement {
                byte_match_statement {
                  search_string         = var.events_host
                  positional_constraint = "EXACTLY"
                  field_to_match {
                    single_header {
                      name = "host"
                    }
                  }
                  text_transformation {
                    priority = 0
                    type     = "LOWERCASE"
                  }
                }
              }
            }
          }
        }
      }
      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = group.key
        sampled_requests_enabled   = false
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false # Samples show headers, and these hold API keys.
  }
}

resource "aws_wafv2_web_acl_association" "lb" {
  resource_arn = aws_lb.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this.arn
}

resource "aws_cloudwatch_log_group" "waf" {
  name              = "aws-waf-logs-${var.name}" # WAF writes to groups with this beginning only.
  retention_in_days = var.log_days
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.waf.arn]

  dynamic "redacted_fields" {
    for_each = toset(["authorization", "cookie", "x-api-key"])
    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }

  logging_filter {
    default_behavior = "DROP"
    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"
      condition {
        action_condition {
          action = "BLOCK"
        }
      }
      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }
}
