-- Copies events, as many as fit; see copy_events in 0007_subscribing.sql.
--
-- $1-$2 per event: id of the copy, id, $3 tenant, $4 now, $5 bytes of payload together at most
SELECT original, copied FROM copy_events($1::uuid[], $2::uuid[], $3, $4, $5);
