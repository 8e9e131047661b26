package postgres

import _ "embed" // for the statements

// The statements, each from its file; the comments there say what the parameters are. Some are put together from
// parts, because the rest is the same for several: what follows a claim, the record of an outcome, the counting.
var (
	//go:embed queries/accept.sql
	acceptSQL string

	//go:embed queries/claim_items.sql
	claimItemsHead string
	//go:embed queries/claim_pulls.sql
	claimPullsHead string
	//go:embed queries/claim_events.sql
	claimEvents string
	//go:embed queries/claim_not_due.sql
	claimNotDue string
	//go:embed queries/claim_targets.sql
	claimTargetsSQL string

	//go:embed queries/record.sql
	recordHead string
	//go:embed queries/record_told.sql
	recordTold string
	//go:embed queries/record_result.sql
	recordResult string
	//go:embed queries/record_throttle.sql
	throttleSQL string
	//go:embed queries/record_disable.sql
	disableSQL string

	//go:embed queries/event.sql
	eventSQL string
	//go:embed queries/event_list.sql
	eventsSQL string
	//go:embed queries/event_test.sql
	insertTestSQL string
	//go:embed queries/event_copy.sql
	copyEventSQL string
	//go:embed queries/attempts.sql
	attemptsSQL string

	//go:embed queries/delivery_get.sql
	deliverySQL string
	//go:embed queries/delivery_list.sql
	newestDeliveriesSQL string
	//go:embed queries/delivery_list_endpoint.sql
	endpointDeliveriesSQL string
	//go:embed queries/delivery_list_tenant.sql
	tenantDeliveriesSQL string
	//go:embed queries/delivery_list_failed.sql
	failedDeliveriesSQL string
	//go:embed queries/delivery_list_live.sql
	liveDeliveriesSQL string
	//go:embed queries/delivery_list_event.sql
	eventDeliveriesSQL string
	//go:embed queries/delivery_outcomes.sql
	outcomesSQL string
	//go:embed queries/delivery_lock.sql
	lockDeliverySQL string
	//go:embed queries/delivery_insert.sql
	insertDeliverySQL string
	//go:embed queries/delivery_cancel.sql
	cancelSQL string

	//go:embed queries/reconcile_late.sql
	lateSQL string
	//go:embed queries/reconcile_move.sql
	moveSQL string
	//go:embed queries/reconcile_interrupted.sql
	interruptedSQL string
	//go:embed queries/reconcile_endpoints.sql
	wakingSQL string

	//go:embed queries/partitions.sql
	partitionsSQL string
	//go:embed queries/housekeep_keys.sql
	expireKeysSQL string
	//go:embed queries/housekeep_rejected.sql
	dropRejectedSQL string
	//go:embed queries/housekeep_counts.sql
	dropCountsSQL string
	//go:embed queries/housekeep_secrets.sql
	dropSecretsSQL string
	//go:embed queries/housekeep_portals.sql
	dropPortalsSQL string
	//go:embed queries/housekeep_once.sql
	dropOnceSQL string
	//go:embed queries/housekeep_notices.sql
	dropNoticesSQL string
	//go:embed queries/housekeep_tallies.sql
	dropTalliesSQL string
	//go:embed queries/housekeep_health.sql
	dropHealthSQL string
	//go:embed queries/housekeep_jobs.sql
	dropJobsSQL string
	//go:embed queries/stats.sql
	statsSQL string
	//go:embed queries/agenda.sql
	agendaSQL string

	//go:embed queries/rejected_add.sql
	rejectSQL string
	//go:embed queries/rejected_page.sql
	rejectedPageSQL string
	//go:embed queries/rejected_redrive_all.sql
	redriveAllSQL string
	//go:embed queries/rejected_redrives.sql
	redrivesSQL string
	//go:embed queries/rejected_redriven.sql
	redrivenSQL string
	//go:embed queries/rejected_get.sql
	rejectedOneSQL string
	//go:embed queries/rejected_list.sql
	rejectedSQL string

	//go:embed queries/tenant_get.sql
	tenantSQL string
	//go:embed queries/tenant_list.sql
	tenantPageSQL string
	//go:embed queries/tenant_update.sql
	updateTenantSQL string
	//go:embed queries/tenant_delete.sql
	deleteTenantSQL string

	//go:embed queries/key_create.sql
	createKeySQL string
	//go:embed queries/key_get.sql
	keySQL string
	//go:embed queries/key_list.sql
	keyPageSQL string
	//go:embed queries/key_revoke.sql
	revokeKeySQL string
	//go:embed queries/key_authenticate.sql
	authenticateSQL string

	//go:embed queries/endpoint_create.sql
	createEndpointSQL string
	//go:embed queries/endpoint_get.sql
	endpointSQL string
	//go:embed queries/endpoint_list.sql
	endpointsSQL string
	//go:embed queries/endpoint_page.sql
	endpointPageSQL string
	//go:embed queries/endpoint_update.sql
	updateEndpointSQL string
	//go:embed queries/endpoint_match.sql
	matchEndpointsSQL string
	//go:embed queries/endpoint_set_status.sql
	setEndpointStatusSQL string
	//go:embed queries/endpoint_touch.sql
	touchEndpointSQL string

	//go:embed queries/event_type_create.sql
	createEventTypeSQL string
	//go:embed queries/event_type_get.sql
	eventTypeSQL string
	//go:embed queries/event_type_page.sql
	eventTypePageSQL string
	//go:embed queries/event_type_update.sql
	updateEventTypeSQL string
	//go:embed queries/event_type_schemas.sql
	eventSchemasSQL string

	//go:embed queries/secret_create.sql
	createSecretSQL string
	//go:embed queries/secret_expire.sql
	expireSecretsSQL string
	//go:embed queries/secret_public.sql
	publicSecretsSQL string
	//go:embed queries/secret_public_tenant.sql
	tenantPublicSecretsSQL string
	//go:embed queries/secret_list.sql
	secretsSQL string

	//go:embed queries/tally_slice.sql
	tallySlice string
	//go:embed queries/tally_fold.sql
	tallyFold string
	//go:embed queries/tally_write.sql
	tallyWrite string
	//go:embed queries/tally_list.sql
	talliesSQL string
	//go:embed queries/tally_judged.sql
	judgedSQL string
	//go:embed queries/tally_failing.sql
	failingSQL string
	//go:embed queries/health.sql
	healthSQL string
	//go:embed queries/health_page.sql
	healthPageSQL string

	//go:embed queries/notice_add.sql
	addNoticesSQL string
	//go:embed queries/notice_disabled.sql
	noticeDisabledSQL string
	//go:embed queries/notice_list.sql
	noticesSQL string
	//go:embed queries/notice_told.sql
	toldSQL string

	//go:embed queries/once_add.sql
	addOnceSQL string
	//go:embed queries/once_get.sql
	onceSQL string
	//go:embed queries/audit_add.sql
	addAuditSQL string
	//go:embed queries/audit_list.sql
	auditSQL string

	//go:embed queries/job_add.sql
	addJobSQL string
	//go:embed queries/job_check.sql
	checkJobSQL string
	//go:embed queries/job_under_way.sql
	underWaySQL string
	//go:embed queries/job_get.sql
	jobSQL string
	//go:embed queries/job_list.sql
	jobPageSQL string
	//go:embed queries/job_dropping.sql
	droppingJobSQL string
	//go:embed queries/job_set_state.sql
	setJobStateSQL string
	//go:embed queries/job_stop_drops.sql
	stopDropsSQL string
	//go:embed queries/job_erase.sql
	eraseJobSQL string
	//go:embed queries/job_next.sql
	nextJobSQL string
	//go:embed queries/job_claim.sql
	claimJobSQL string
	//go:embed queries/job_progress.sql
	jobProgressSQL string
	//go:embed queries/job_failed.sql
	jobFailedSQL string
	//go:embed queries/job_replay_walk.sql
	replayWalkSQL string
	//go:embed queries/job_endpoint_walk.sql
	endpointWalkSQL string
	//go:embed queries/job_missing_walk.sql
	missingWalkSQL string
	//go:embed queries/job_copy_events.sql
	copyEventsSQL string
	//go:embed queries/job_add_deliveries.sql
	addDeliveriesSQL string
	//go:embed queries/job_endpoints.sql
	jobEndpointsSQL string
	//go:embed queries/job_count_held.sql
	countHeldSQL string
	//go:embed queries/job_drop_held.sql
	dropHeldSQL string
	//go:embed queries/job_resume_endpoint.sql
	resumeEndpointSQL string
	//go:embed queries/job_close_endpoints.sql
	closeEndpointsSQL string
)

var (
	claimItemsSQL = claimItemsHead + claimEvents + claimNotDue
	claimPullsSQL = claimPullsHead + claimEvents

	recordSQL        = recordHead + recordResult
	recordAndTellSQL = recordHead + recordTold + recordResult

	tallySliceSQL = tallySlice + tallyWrite
	tallyFoldSQL  = tallyFold + tallyWrite
)
