SELECT id, true AS applied, state, due_at FROM decided
UNION ALL
SELECT id, false, state, due_at FROM late;
