-- The database's time, and when the next chunk of any job is due.
SELECT clock_timestamp(), (SELECT min(wake_at) FROM jobs WHERE wake_at IS NOT NULL);
