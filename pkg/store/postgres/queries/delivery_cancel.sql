-- Ends a live delivery, and returns whether it did; no row when there is no such delivery.
--
-- $1 id, $2 tenant, $3 reason
WITH found AS (
    SELECT id, attempt_no, started_at, state FROM deliveries WHERE id = $1 AND tenant = $2 FOR UPDATE
), cancelled AS (
    UPDATE deliveries d SET state = 'cancelled', reason = $3, wake_at = NULL, lease_until = NULL
    FROM found
    WHERE d.id = $1 AND found.state IN ('scheduled', 'attempting')
), recorded AS (
    INSERT INTO attempts (delivery_id, attempt_no, outcome, status, started_at)
    SELECT id, attempt_no, 'interrupted', 0, started_at FROM found WHERE state = 'attempting'
    ON CONFLICT DO NOTHING
)
SELECT state IN ('scheduled', 'attempting') FROM found;
