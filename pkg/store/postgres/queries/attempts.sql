-- $1 delivery
SELECT attempt_no, outcome, status, started_at, total_us, dns_us, connect_us, tls_us, first_byte_us, detail,
    response_headers, response_body
FROM attempts
WHERE delivery_id = $1
ORDER BY attempt_no;
