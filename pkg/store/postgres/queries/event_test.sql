-- $1 id, $2 now, $3 tenant, $4 source, $5 CloudEvents id, $6 type, $7 subject, $8 time, $9 data type, $10 data
INSERT INTO events (id, accepted_at, tenant, source, ce_id, type, subject, ce_time, data_type, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);
