package main

// rate sums a counter's rate by labels.
func rate(metric, by string) string {
	if by == "" {
		return "sum(rate(" + metric + "[$__rate_interval]))"
	}
	return "sum by (" + by + ") (rate(" + metric + "[$__rate_interval]))"
}

func dashboards() []dashboard {
	return []dashboard{onCall(), application(), business(), infrastructure()}
}

// onCall is what who has been woken looks at first: is anything late or lost, and where does it stand?
func onCall() dashboard {
	return dashboard{UID: "homing-on-call", Title: "Homing / On call", About: "Is anything late, lost or refused, and where?", Rows: []row{
		{"Now", []panel{
			{Title: "Alerts firing", About: "Pages and tickets.", Unit: "short", Stat: true, Red: 1,
				Queries: one("alerts", `count(ALERTS{alertstate="firing",severity=~"page|ticket"}) or vector(0)`)},
			{Title: "Oldest due", About: "How long the oldest delivery that could be sent has been due.", Unit: "s", Stat: true, Red: 300,
				Queries: one("oldest", "homing:deliveries:oldest_due_seconds")},
			{Title: "Live deliveries", About: "Accepted and not ended.", Unit: "short", Stat: true,
				Queries: one("live", "homing:deliveries:live")},
			{Title: "Parked events", About: "Brokered events that wait for Postgres.", Unit: "short", Stat: true, Red: 1,
				Queries: one("parked", "homing:parked:events")},
			{Title: "Accept errors, 1 h", About: "Of the requests of direct producers; 0.1 % is the objective.", Unit: "percentunit", Stat: true, Red: 0.001,
				Queries: one("errors", "homing:accept:error_ratio1h")},
			{Title: "Late attempts, 1 h", About: "Claimed over 16 s after they were due; 1 % is the objective.", Unit: "percentunit", Stat: true, Red: 0.01,
				Queries: one("late", "homing:latency:error_ratio1h")},
		}},
		{"Probes", []panel{
			{Title: "Probes", About: "Synthetic checks, by probe and outcome.", Unit: "short", Stack: true,
				Queries: one("{{probe}} {{outcome}}", "sum by (probe, outcome) (increase(homing_probe_runs_total[15m])) > 0")},
			{Title: "Time of a probe", About: "To the webhook; the retry probe waits for its second attempt.", Unit: "s",
				Queries: one("{{probe}}", "sum by (probe) (increase(homing_probe_seconds_sum[15m])) / sum by (probe) (increase(homing_probe_seconds_count[15m]))")},
			{Title: "Since the last success", About: "Alerts at three intervals.", Unit: "s",
				Queries: one("{{probe}}", "time() - max by (probe) (homing_probe_last_success_timestamp_seconds)")},
		}},
		{"Accept", []panel{
			{Title: "Requests", About: "By face and class of status.", Unit: "reqps", Stack: true,
				Queries: one("{{face}} {{class}}", rate("homing_ingest_requests_total", "face, class"))},
			{Title: "Time to answer", About: "Both faces.", Unit: "s", Queries: quantiles("homing_ingest_request_seconds", "")},
			{Title: "Time of a commit", About: "A group of events and their deliveries.", Unit: "s",
				Queries: quantiles("homing_ingest_group_seconds", "")},
		}},
		{"Deliver", []panel{
			{Title: "Attempts", About: "By outcome.", Unit: "ops", Stack: true, Queries: one("{{outcome}}", "homing:attempts:rate5m > 0")},
			{Title: "Queue age", About: "From due to claimed.", Unit: "s", Queries: quantiles("homing_deliver_queue_age_seconds", "")},
			{Title: "Slots and endpoints behind", About: "Endpoints behind have more work than slots.", Unit: "short", Queries: []query{
				{"slots held", "sum(homing_deliver_slots_held)"}, {"endpoints behind", "sum(homing_deliver_endpoints_behind)"},
			}},
			{Title: "Time of a claim", About: "One statement.", Unit: "s", Queries: quantiles("homing_deliver_claim_seconds", "")},
			{Title: "Time of a recording", About: "One statement.", Unit: "s", Queries: quantiles("homing_deliver_record_seconds", "")},
			{Title: "Hints", About: "What hints named, by what became of it.", Unit: "ops", Stack: true,
				Queries: one("{{result}}", rate("homing_hints_named_total", "result"))},
		}},
		{"Retry", []panel{
			{Title: "Ticks", About: "One a minute by default.", Unit: "short", Queries: one("ticks in 10 min", "sum(increase(homing_retry_ticks_total[10m]))")},
			{Title: "Moved by the reconciler", About: "hint and interrupt are repairs.", Unit: "ops", Stack: true,
				Queries: one("{{action}}", rate("homing_retry_reconciled_total", "action"))},
			{Title: "Lateness of timers", About: "From due to fired.", Unit: "s", Queries: quantiles("homing_retry_timer_lateness_seconds", "")},
		}},
	}}
}

// application is how the functions do.
func application() dashboard {
	return dashboard{UID: "homing-application", Title: "Homing / Application", About: "How each function does.", Rows: []row{
		{"Processes", []panel{
			{Title: "Processes", About: "By function; none when idle.", Unit: "short", Stack: true, Queries: one("{{function}}", "count by (function) (homing_build_info)")},
			{Title: "CPU", About: "Cores used, by process.", Unit: "short", Queries: one("{{job}}", rate("process_cpu_seconds_total", "job"))},
			{Title: "Memory", About: "Resident, by job.", Unit: "bytes", Queries: one("{{job}}", "sum by (job) (process_resident_memory_bytes)")},
			{Title: "Goroutines", About: "By job.", Unit: "short", Queries: one("{{job}}", "sum by (job) (go_goroutines)")},
			{Title: "Open files", About: "Part of the limit.", Unit: "percentunit", Red: 0.8, Queries: one("{{job}}", "max by (job) (process_open_fds / process_max_fds)")},
		}},
		{"Ingest", []panel{
			{Title: "Events", About: "By what became of them.", Unit: "ops", Stack: true, Queries: one("{{status}}", rate("homing_ingest_events_total", "status"))},
			{Title: "Events a commit", About: "Groups grow with the load.", Unit: "short", Queries: quantiles("homing_ingest_group_events", "")},
			{Title: "Rejected and parked", About: "Brokered events only.", Unit: "ops", Queries: []query{
				{"rejected {{reason}}", rate("homing_ingest_rejected_total", "reason")}, {"parked", rate("homing_ingest_parked_total", "")},
			}},
			{Title: "Schemas and filters", About: "Violations by policy, and what cannot be evaluated.", Unit: "ops", Queries: []query{
				{"violation, {{policy}}", rate("homing_ingest_schema_violations_total", "policy")}, {"fault", rate("homing_ingest_filter_faults_total", "")},
			}},
		}},
		{"Deliver", []panel{
			{Title: "Claims", About: "By what named them.", Unit: "ops", Queries: one("{{by}}", rate("homing_deliver_claims_total", "by"))},
			{Title: "Deliveries a claim", About: "Groups grow with the load.", Unit: "short", Queries: quantiles("homing_deliver_claim_items", "")},
			{Title: "Outcomes a recording", About: "Groups grow with the load.", Unit: "short", Queries: quantiles("homing_deliver_record_items", "")},
			{Title: "Time at the endpoint", About: "Of successes.", Unit: "s", Queries: quantiles("homing_deliver_attempt_seconds", `{success="true"}`)},
			{Title: "Rate limits", About: "Grants without asking Redis.", Unit: "ops", Queries: []query{
				{"local", rate("homing_deliver_gate_local_total", "")}, {"shared (1 yes)", "min(homing_deliver_gate_shared)"},
			}},
		}},
		{"Retry", []panel{
			{Title: "Timers", About: "Set, fired, and not set.", Unit: "ops", Queries: []query{
				{"set", rate("homing_retry_timers_set_total", "")}, {"fired", rate("homing_retry_timers_fired_total", "")},
				{"lost", rate("homing_retry_timers_lost_total", "")},
			}},
			{Title: "Jobs", About: "Rows by kind, and failures.", Unit: "ops", Queries: []query{
				{"{{kind}}", rate("homing_jobs_rows_total", "kind")}, {"failures", rate("homing_jobs_failures_total", "")},
			}},
			{Title: "Jobs ended", About: "In an hour, by kind and state.", Unit: "short", Queries: one("{{kind}} {{state}}", "sum by (kind, state) (increase(homing_jobs_ended_total[1h]))")},
			{Title: "Drained and redriven", About: "Parked and rejected events that were taken.", Unit: "ops", Queries: []query{
				{"drained", rate("homing_retry_drained_total", "")}, {"redriven", rate("homing_retry_redriven_total", "")},
			}},
			{Title: "Housekeeping", About: "In an hour.", Unit: "short", Queries: one("{{what}}", "sum by (what) (increase(homing_retry_housekeeping_total[1h]))")},
		}},
		{"Management API", []panel{
			{Title: "Requests", About: "By status.", Unit: "reqps", Stack: true, Queries: one("{{status}}", rate("homing_manage_request_seconds_count", "status"))},
			{Title: "Time, 99 %", About: "By operation, the ten slowest.", Unit: "s", Queries: one("{{operation}}",
				"topk(10, histogram_quantile(0.99, sum by (operation, le) (rate(homing_manage_request_seconds_bucket[$__rate_interval]))) > 0)")},
		}},
	}}
}

// business is what Homing does for its tenants. What is by tenant, type or endpoint comes from the logs: as labels of
// metrics they would have no bound.
func business() dashboard {
	const attempts = `msg:"attempt"`
	return dashboard{UID: "homing-business", Title: "Homing / Business", About: "What tenants send and what becomes of it.", Rows: []row{
		{"All tenants", []panel{
			{Title: "Events accepted, 24 h", About: "Stored; duplicates do not count.", Unit: "short", Stat: true,
				Queries: one("events", `sum(increase(homing_ingest_events_total{status="stored"}[24h]))`)},
			{Title: "Delivered, 24 h", About: "Deliveries that succeeded.", Unit: "short", Stat: true,
				Queries: one("deliveries", `sum(increase(homing_deliver_ended_total{state="succeeded"}[24h]))`)},
			{Title: "Success rate, 24 h", About: "Of the deliveries that ended.", Unit: "percentunit", Stat: true,
				Queries: one("rate", `sum(increase(homing_deliver_ended_total{state="succeeded"}[24h])) / (sum(increase(homing_deliver_ended_total[24h])) > 0)`)},
			{Title: "Time to deliver, median", About: "From accepted to succeeded.", Unit: "s", Stat: true, Queries: one("median", "homing:delivery_seconds:p50_5m")},
			{Title: "Endpoints failing", About: "By the rule of the deployment.", Unit: "short", Stat: true, Red: 1,
				Queries: one("failing", `homing:endpoints:count{health="failing"}`)},
			{Title: "Given up, 24 h", About: "Exhausted, by an attempt or by the reconciler.", Unit: "short", Stat: true, Red: 1,
				Queries: one("exhausted", `sum(increase(homing_deliver_ended_total{state="exhausted"}[24h])) + (sum(increase(homing_retry_reconciled_total{action="exhaust"}[24h])) or vector(0))`)},
			{Title: "Events", About: "Stored.", Unit: "ops", Queries: one("events", "homing:events:rate5m")},
			{Title: "Deliveries ended", About: "By state.", Unit: "ops", Stack: true, Queries: one("{{state}}", "homing:ended:rate5m")},
			{Title: "Time to deliver", About: "From accepted to succeeded, retries included.", Unit: "s", Queries: []query{
				{"median", "homing:delivery_seconds:p50_5m"}, {"99 %", "homing:delivery_seconds:p99_5m"},
			}},
			{Title: "Success rate of attempts", About: "Attempts that were sent.", Unit: "percentunit", Queries: one("success",
				`sum(homing:attempts:rate5m{outcome="success"}) / (sum(homing:attempts:rate5m{outcome!~"interrupted|unsent"}) > 0)`)},
			{Title: "Endpoints by health", About: "Not deleted.", Unit: "short", Stack: true, Queries: one("{{health}}", "homing:endpoints:count")},
			{Title: "Notices", About: "In an hour: what endpoints' owners are told.", Unit: "short", Queries: one("{{kind}}", "sum by (kind) (increase(homing_retry_notices_total[1h]))")},
		}},
		{"By tenant and type, from the logs", []panel{
			{Title: "Attempts by tenant", About: "The 20 largest.", Unit: "short", Stack: true, Lucene: attempts, By: "tenant"},
			{Title: "Attempts by type of event", About: "The 20 largest.", Unit: "short", Stack: true, Lucene: attempts, By: "event_type"},
			{Title: "Failed attempts by tenant", About: "The 20 largest.", Unit: "short", Stack: true, Lucene: attempts + ` AND NOT outcome:"success"`, By: "tenant"},
			{Title: "Failed attempts by endpoint", About: "The 20 largest.", Unit: "short", Stack: true, Lucene: attempts + ` AND NOT outcome:"success"`, By: "endpoint"},
			{Title: "Given up by tenant", About: "The schedule was used up.", Unit: "short", Stack: true, Lucene: attempts + ` AND state:"exhausted"`, By: "tenant"},
			{Title: "Time at the endpoint by tenant", About: "On average.", Unit: "µs", Lucene: attempts, By: "tenant", Avg: "total_us"},
		}},
	}}
}

// infrastructure is the health of what Homing stands on.
func infrastructure() dashboard {
	return dashboard{UID: "homing-infrastructure", Title: "Homing / Infrastructure", About: "Postgres, Redis, RabbitMQ, the cluster, certificates.", Rows: []row{
		{"Postgres", []panel{
			{Title: "Up", About: "1 when the exporter reaches it.", Unit: "short", Queries: one("{{instance}}", "pg_up")},
			{Title: "Connections", About: "Part of max_connections.", Unit: "percentunit", Red: 0.8, Queries: one("taken", "sum(pg_stat_database_numbackends) / max(pg_settings_max_connections)")},
			{Title: "Transactions", About: "Committed and rolled back.", Unit: "ops", Queries: []query{
				{"commits", rate("pg_stat_database_xact_commit", "")}, {"rollbacks", rate("pg_stat_database_xact_rollback", "")},
			}},
			{Title: "Deadlocks", About: "In an hour.", Unit: "short", Queries: one("deadlocks", "sum(increase(pg_stat_database_deadlocks[1h]))")},
			{Title: "Longest transaction", About: "Statements of Homing are bounded by 30 s.", Unit: "s", Red: 600, Queries: one("{{state}}", `max by (state) (pg_stat_activity_max_tx_duration{datname="homing"})`)},
			{Title: "Free storage", About: "Of the RDS instance.", Unit: "bytes", Queries: one("{{dimension_DBInstanceIdentifier}}", "min by (dimension_DBInstanceIdentifier) (aws_rds_free_storage_space_average)")},
		}},
		{"RabbitMQ", []panel{
			{Title: "Nodes", About: "Three.", Unit: "short", Queries: one("nodes", "count(rabbitmq_build_info)")},
			{Title: "Messages ready", About: "By queue, the ten longest.", Unit: "short", Queries: one("{{queue}}", "topk(10, max by (queue) (rabbitmq_detailed_queue_messages_ready))")},
			{Title: "Alarms", About: "1 blocks publishers.", Unit: "short", Red: 1, Queries: []query{
				{"memory", "max(rabbitmq_alarms_memory_used_watermark)"}, {"disk", "max(rabbitmq_alarms_free_disk_space_watermark)"},
			}},
		}},
		{"Redis", []panel{
			{Title: "Up", About: "1 when the exporter reaches it.", Unit: "short", Queries: one("{{instance}}", "redis_up")},
			{Title: "Memory", About: "Part of maxmemory.", Unit: "percentunit", Red: 0.8, Queries: one("used", "max(redis_memory_used_bytes / (redis_memory_max_bytes > 0))")},
			{Title: "Evicted keys", About: "Must be none.", Unit: "short", Red: 1, Queries: one("evicted", "sum(increase(redis_evicted_keys_total[1h]))")},
		}},
		{"Cluster", []panel{
			{Title: "Nodes not ready", About: "Of all groups.", Unit: "short", Red: 1, Queries: one("not ready", `sum(kube_node_status_condition{condition="Ready",status!="true"}) or vector(0)`)},
			{Title: "Pods of Homing", About: "By phase.", Unit: "short", Stack: true, Queries: one("{{phase}}", `sum by (phase) (kube_pod_status_phase{namespace="homing"}) > 0`)},
			{Title: "Volumes", About: "Part that is free, the fullest.", Unit: "percentunit", Queries: one("{{persistentvolumeclaim}}", "bottomk(5, min by (persistentvolumeclaim) (kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes))")},
			{Title: "Errors of the API", About: "Part of the requests to the cluster's API.", Unit: "percentunit", Queries: one("5xx", `sum(rate(apiserver_request_total{code=~"5.."}[$__rate_interval])) / sum(rate(apiserver_request_total[$__rate_interval]))`)},
			{Title: "Certificates", About: "Until they end.", Unit: "s", Queries: one("{{namespace}}/{{name}}", "min by (namespace, name) (certmanager_certificate_expiration_timestamp_seconds - time())")},
			{Title: "Collector", About: "Metric points, log records and spans that could not be sent.", Unit: "ops", Red: 0.001, Queries: []query{
				{"points", rate("otelcol_exporter_send_failed_metric_points_total", "")},
				{"log records", rate("otelcol_exporter_send_failed_log_records_total", "")},
				{"spans", rate("otelcol_exporter_send_failed_spans_total", "")},
			}},
		}},
	}}
}
