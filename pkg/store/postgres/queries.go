package postgres

import _ "embed" // for the statements

// The statements, each from its file; the comments there say what the parameters are. Those of claim are put together
// from parts, because what follows the claim itself is the same for both of its kinds.
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
	recordSQL string
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
	deliveriesSQL string
	//go:embed queries/delivery_list_endpoint.sql
	endpointDeliveriesSQL string
	//go:embed queries/delivery_list_event.sql
	eventDeliveriesSQL string
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
	//go:embed queries/stats.sql
	statsSQL string

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
	//go:embed queries/secret_list.sql
	secretsSQL string

	//go:embed queries/once_add.sql
	addOnceSQL string
	//go:embed queries/once_get.sql
	onceSQL string
	//go:embed queries/audit_add.sql
	addAuditSQL string
	//go:embed queries/audit_list.sql
	auditSQL string
)

var (
	claimItemsSQL = claimItemsHead + claimEvents + claimNotDue
	claimPullsSQL = claimPullsHead + claimEvents
)
