-- $1-$6 per delivery: id, tenant, endpoint, event, reason, attempts
INSERT INTO notices (kind, delivery, tenant, endpoint, event, reason, attempts)
SELECT 'delivery.exhausted', unnest($1::uuid[]), unnest($2::text[]), unnest($3::uuid[]), unnest($4::uuid[]),
    unnest($5::text[]), unnest($6::integer[]);
