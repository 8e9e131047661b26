-- Notices that were passed on, once they have been counted for good.
--
-- $1 age, $2 how many
DELETE FROM notices WHERE id IN (
    SELECT id FROM notices
    WHERE at < least((SELECT through FROM tallied), clock_timestamp() - $1::interval) AND told_at IS NOT NULL
    ORDER BY at LIMIT $2);
