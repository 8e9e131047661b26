package main

import (
	"fmt"
	"strings"
)

// objective is a service level objective over a ratio of bad to all.
type objective struct {
	name, alert, summary string
	// target is the part that must be good in 30 days.
	target float64
	// bad and all are PromQL with %s where the range is; bad is 0 where nothing bad has been counted.
	bad, all string
	// fast and slow are the severities of a budget that burns fast and slowly.
	fast, slow string
}

// windows are those that burn rates are taken over.
var windows = []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"}

// leastEvents is how many events of a six-hour window it takes for an alert: of three events one is always a third.
const leastEvents = 20

// late is the expression of how many observations of a histogram were above a bound.
func late(histogram, bound string) (bad, all string) {
	all = "sum(rate(" + histogram + "_count[%[1]s]))"
	return "(" + all + " - sum(rate(" + histogram + `_bucket{le="` + bound + `"}[%[1]s])))`, all
}

func objectives() []objective {
	queueBad, queueAll := late("homing_deliver_queue_age_seconds", "16.384")
	timerBad, timerAll := late("homing_retry_timer_lateness_seconds", "8.192")
	const ended = `sum(rate(homing_deliver_ended_total%s[%%[1]s])) + ` +
		`(sum(rate(homing_retry_reconciled_total{action="exhaust"}[%%[1]s])) or vector(0))`
	return []objective{
		{
			"accept", "HomingAcceptAvailability", "Direct producers are answered with 5xx", 0.999,
			`sum(rate(homing_ingest_requests_total{face="public",class="5xx"}[%[1]s]))`,
			`sum(rate(homing_ingest_requests_total{face="public",class!="4xx"}[%[1]s]))`, "page", "ticket",
		},
		{
			"latency", "HomingDeliveryLatency", "Attempts are claimed over 16 s after they were due", 0.99,
			queueBad, queueAll, "page", "ticket",
		},
		{
			"exhausted", "HomingSuccessRate", "Deliveries end without success", 0.99,
			"(" + fmt.Sprintf(ended, `{state="exhausted"}`) + ")", "(" + fmt.Sprintf(ended, "") + ")", "ticket", "chat",
		},
		{
			"timers", "HomingTimersLate", "Timers fire over 8 s late", 0.99, timerBad, timerAll, "ticket", "chat",
		},
		{
			"repairs", "HomingReconcilerRepairs", "The reconciler repairs what hints should have done", 0.99,
			`sum(rate(homing_retry_reconciled_total{action=~"hint|interrupt"}[%[1]s]))`,
			`sum(rate(homing_deliver_attempts_total[%[1]s]))`, "ticket", "chat",
		},
		{
			"api", "HomingAPIAvailability", "The management API answers with 5xx", 0.999,
			`(sum(rate(homing_manage_request_seconds_count{status=~"5.."}[%[1]s])) or vector(0))`,
			`sum(rate(homing_manage_request_seconds_count{status!~"4.."}[%[1]s]))`, "page", "ticket",
		},
	}
}

// runbooks is where the page of an alert is, by its name.
const runbooks = "https://github.com/homing-hooks/homing/blob/main/docs/runbooks/"

// rules writes the recording rules and alerts of the objectives.
func rules() string {
	var b strings.Builder
	b.WriteString("# Made by `go run ./gen` in test/monitoring; change gen/slo.go there.\n#\n" +
		"# Objectives over 30 days. An alert fires when its budget burns fast (14.4 times too fast for an hour, or 6 times for\n" +
		"# six hours) or slowly (3 times for a day, or 1 time for three days), and does so in a short window too, so that it\n" +
		"# ends soon after its cause.\ngroups:\n")
	for _, o := range objectives() {
		fmt.Fprintf(&b, "  - name: slo-%s\n    rules:\n", o.name)
		for _, w := range windows {
			fmt.Fprintf(&b, "      - record: homing:%s:error_ratio%s\n        expr: >-\n          %s\n          / (%s > 0)\n",
				o.name, w, fmt.Sprintf(o.bad, w), fmt.Sprintf(o.all, w))
		}
		fmt.Fprintf(&b, "      - record: homing:%s:total6h\n        expr: %s * 21600\n", o.name, fmt.Sprintf(o.all, "6h"))
		o.alertRule(&b, o.fast, "fast", [2]burn{{14.4, "1h", "5m"}, {6, "6h", "30m"}})
		o.alertRule(&b, o.slow, "slow", [2]burn{{3, "1d", "2h"}, {1, "3d", "6h"}})
	}
	return b.String()
}

// burn is a rate of burning the budget, over a long window and a short one.
type burn struct {
	times       float64
	long, short string
}

func (o *objective) alertRule(b *strings.Builder, severity, speed string, burns [2]burn) {
	budget := 1 - o.target
	var either [2]string
	for i, r := range burns {
		either[i] = fmt.Sprintf("(homing:%[1]s:error_ratio%[2]s > %.4[4]g and homing:%[1]s:error_ratio%[3]s > %.4[4]g)",
			o.name, r.long, r.short, r.times*budget)
	}
	fmt.Fprintf(b, `      - alert: %s
        expr: >-
          (%s
          or %s)
          and homing:%s:total6h >= %d
        for: 2m
        labels: {severity: %s, owner: homing, burn: %s}
        annotations:
          summary: '%s: {{ $value | humanizePercentage }} of them, where %.4g %% are allowed.'
          runbook_url: %s%s.md
`, o.alert, either[0], either[1], o.name, leastEvents, severity, speed, o.summary, 100*budget, runbooks, o.alert)
}
