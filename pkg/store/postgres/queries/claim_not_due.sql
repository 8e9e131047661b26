-- The items that are scheduled as the hint says, but not due yet. Nothing of this runs when every item was claimed.
UNION ALL
SELECT d.id, d.endpoint_id, d.attempt_no, d.due_at - clock.now, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM deliveries d, clock
WHERE (SELECT count(*) FROM claimed) < cardinality($4::uuid[])
    AND d.id = ANY ($4::uuid[]) AND d.id >= ($4::uuid[])[1] AND d.id <= ($4::uuid[])[cardinality($4::uuid[])]
    AND d.state = 'scheduled' AND d.due_at > clock.now
    AND d.endpoint_id = ($5::uuid[])[width_bucket(d.id, $4::uuid[])]
    AND d.attempt_no = ($6::integer[])[width_bucket(d.id, $4::uuid[])]
