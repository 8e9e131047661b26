-- Writes back deliveries that the reconciler has decided about and locked.
--
-- $1-$7 per delivery, sorted: id, state, reason, interruptions, due, end of the lease, wake time
UPDATE deliveries d SET
    state = (($2::text[])[width_bucket(d.id, $1::uuid[])])::delivery_state,
    reason = ($3::text[])[width_bucket(d.id, $1::uuid[])],
    interruptions = ($4::integer[])[width_bucket(d.id, $1::uuid[])],
    due_at = ($5::timestamptz[])[width_bucket(d.id, $1::uuid[])],
    lease_until = ($6::timestamptz[])[width_bucket(d.id, $1::uuid[])],
    wake_at = ($7::timestamptz[])[width_bucket(d.id, $1::uuid[])]
WHERE d.id = ANY ($1::uuid[]) AND d.id >= ($1::uuid[])[1] AND d.id <= ($1::uuid[])[cardinality($1::uuid[])];
