-- Put in only for groups that exhaust deliveries: for all others the statement is as if there were no notices.
, told AS (
    INSERT INTO notices (kind, tenant, endpoint, delivery, event, reason, attempts)
    SELECT 'delivery.exhausted', tenant, endpoint_id, id, event_id, coalesce(reason, ''), attempt_no
    FROM decided
    WHERE state = 'exhausted'
)
