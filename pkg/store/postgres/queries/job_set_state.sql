-- Moves a job to a state, unless it has ended or is an erasure. Having it already changes nothing.
--
-- $1 id, $2 tenant, $3 state
UPDATE jobs SET
    state = $3,
    wake_at = CASE WHEN $3 = 'running' THEN clock_timestamp() END,
    finished_at = CASE WHEN $3 = 'cancelled' THEN clock_timestamp() END,
    updated_at = clock_timestamp(),
    failures = 0,
    error = CASE WHEN $3 = 'running' THEN '' ELSE error END
WHERE id = $1 AND tenant = $2 AND kind <> 'erase_tenant'
    AND state = ANY (CASE $3 WHEN 'paused' THEN ARRAY['running'] WHEN 'running' THEN ARRAY['paused', 'failed']
        ELSE ARRAY['running', 'paused', 'failed'] END);
