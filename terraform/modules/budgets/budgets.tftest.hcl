mock_provider "aws" {
  override_during = plan
  mock_resource "aws_ce_anomaly_monitor" {
    defaults = { arn = "arn:aws:ce::111122223333:anomalymonitor/1" }
  }
}

variables {
  name        = "homing-dev"
  monthly_usd = 600
  emails      = ["owners@example.com"]
}

run "somebody_hears_of_it" {
  command = plan

  assert {
    condition     = aws_budgets_budget.this.limit_amount == "600.00" && aws_budgets_budget.this.time_unit == "MONTHLY"
    error_message = "The limit: ${aws_budgets_budget.this.limit_amount}"
  }
  assert {
    condition = toset([for n in aws_budgets_budget.this.notification : "${n.notification_type} ${n.threshold}"]) == toset([
      "ACTUAL 50", "ACTUAL 80", "ACTUAL 100", "FORECASTED 100",
    ])
    error_message = "Half, most, all, and what is expected."
  }
  assert {
    condition     = alltrue([for n in aws_budgets_budget.this.notification : n.subscriber_email_addresses == toset(var.emails)])
    error_message = "Every notice goes to somebody."
  }
  assert {
    condition = (
      aws_ce_anomaly_subscription.this.monitor_arn_list[0] == aws_ce_anomaly_monitor.this.arn &&
      [for s in aws_ce_anomaly_subscription.this.subscriber : s.address] == ["owners@example.com"]
    )
    error_message = "Anomalies are watched, and told of."
  }
}

run "nobody_is_refused" {
  command = plan
  variables {
    emails = []
  }
  expect_failures = [var.emails]
}
