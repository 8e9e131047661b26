-- The partitions of the large tables, oldest first and of a week in the order in which they are dropped.
SELECT parent.relname, to_date(right(part.relname, 7), 'IYYY"w"IW')::timestamp AT TIME ZONE 'UTC' AS week
FROM pg_inherits i
JOIN pg_class part ON part.oid = i.inhrelid
JOIN pg_class parent ON parent.oid = i.inhparent
WHERE i.inhparent IN ('events'::regclass, 'deliveries'::regclass, 'attempts'::regclass)
ORDER BY week, parent.relname = 'attempts' DESC, parent.relname = 'deliveries' DESC;
