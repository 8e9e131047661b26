-- The outcome of the attempt that was recorded last of each delivery that has one.
--
-- $1 deliveries, $2-$3 the first and the last of them
SELECT DISTINCT ON (delivery_id) delivery_id, outcome
FROM attempts
WHERE delivery_id = ANY ($1::uuid[]) AND delivery_id >= $2 AND delivery_id <= $3
ORDER BY delivery_id, attempt_no DESC;
