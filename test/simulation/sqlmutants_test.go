package simulation

// sqlMutant is a statement with one guard taken out: the text of it, and what stands there instead. shownBy names the
// stat of the traces that can show it; "" means any.
type sqlMutant struct{ name, shownBy, from, to string }

// sqlMutants are planted in the statements of Postgres. Those with the name of a mutant in memory take out the same
// guard.
var sqlMutants = []sqlMutant{
	{
		"ClaimWithoutTheDueCheck", "",
		"d.state = 'scheduled' AND d.due_at <= clock.now\n", "d.state = 'scheduled'\n",
	},
	{
		"ClaimOnlyAfterTheDueTime", "",
		"d.state = 'scheduled' AND d.due_at <= clock.now\n", "d.state = 'scheduled' AND d.due_at < clock.now\n",
	},
	{
		"ClaimWithoutTheStateCheck", "hints after the end",
		"d.state = 'scheduled' AND d.due_at <= clock.now\n", "d.due_at <= clock.now\n",
	},
	{
		"ClaimWithoutTheAttempt", "hints with an old attempt",
		"AND d.attempt_no = ($6::integer[])[width_bucket(d.id, $4::uuid[])]\n        AND e.id",
		"AND ($6::integer[])[1] >= 0 AND e.id",
	},
	{
		"ClaimWhilePaused", "hints while paused",
		"AND e.id = d.endpoint_id AND e.status = 'active'", "AND e.id = d.endpoint_id",
	},
	{
		"ClaimWhileThrottled", "hints while active",
		"\n        AND coalesce(e.throttled_until <= clock.now, true)", "",
	},
	{
		"ClaimAfterTheExpiry", "hints after the expiry",
		"\n        AND clock.now - e.paused_total < d.expires_at", "",
	},
	{"PullWithoutTheDueCheck", "pulls before the due time", "AND c.due_at <= clock.now", ""},
	{"PullWithoutTheStateCheck", "pulls during an attempt", "AND c.state = 'scheduled' AND clock.now", "AND clock.now"},
	{
		"LeaseWithoutTheTimeout", "",
		"lease_until = clock.now + coalesce(nullif(e.timeout, '0'), $2::interval) + $3::interval",
		"lease_until = clock.now + $3::interval",
	},
	{
		"RecordWithoutCompareAndSet", "late results during another attempt",
		"d.state = 'attempting' AND d.attempt_no = ($2::integer[])[width_bucket(d.id, $1::uuid[])]",
		"d.state = 'attempting'",
	},
	{
		"LateSuccessIgnored", "late successes",
		"OR d.state IN ('scheduled', 'attempting') AND ($3::integer[])[width_bucket(d.id, $1::uuid[])] = 1",
		"OR d.state IN ('scheduled', 'attempting') AND ($3::integer[])[width_bucket(d.id, $1::uuid[])] = 9",
	},
	{
		"LateFailureDecides", "late results",
		"OR d.state IN ('scheduled', 'attempting') AND ($3::integer[])[width_bucket(d.id, $1::uuid[])] = 1",
		"OR d.state IN ('scheduled', 'attempting') AND ($3::integer[])[width_bucket(d.id, $1::uuid[])] >= 0",
	},
	{
		"NoWakeTimeOnReschedule", "",
		"WHEN 0 THEN clock.now + ($6::interval[])", "WHEN 9 THEN clock.now + ($6::interval[])",
	},
	{
		"OvertakenAttemptNotOnRecord", "attempts overtaken for good",
		"WHERE attempt_no > ($2", "WHERE attempt_no < ($2",
	},
	{"DisabledWithoutTheVersion", "gone by an old version", "AND version = $3", "AND version >= $3 - 1000"},
	{
		"ThrottleShortened", "throttles that end sooner",
		"coalesce(e.throttled_until < clock.now", "coalesce(e.throttled_until <> clock.now",
	},
	{
		"ThrottleWithoutAWakeTime", "endpoints woken after a throttle",
		"wake_at = CASE e.status WHEN 'active' THEN", "wake_at = CASE e.status WHEN 'deleted' THEN",
	},
	{
		"ReconcilerBlindToAttempting", "interrupted",
		"c.wake_at <= clock.now", "c.wake_at <= clock.now AND c.state <> 'attempting'",
	},
	{
		"ReconcilerBlindToScheduled", "",
		"c.wake_at <= clock.now", "c.wake_at <= clock.now AND c.state <> 'scheduled'",
	},
	{
		"InterruptedNotOnRecord", "interrupted",
		"'interrupted', 0, unnest($3::timestamptz[])", "'interrupted', 0, unnest($3::timestamptz[]) LIMIT 0",
	},
	{"EndpointsWakeLost", "", "due AND NOT beyond", "false"},
	{
		"NoDeduplication", "duplicates",
		"CASE WHEN k.accepted_at <= excluded.accepted_at - $5::interval", "CASE WHEN $5::interval > '0'",
	},
	{"BeginWhilePaused", "to begin while paused", "AND i.lifetime > '0' AND e.status = 'active'", "AND i.lifetime > '0'"},
	{
		"BeginWhileThrottled", "to begin while active",
		"e.status = 'active'\n                AND coalesce(e.throttled_until <= clock.now, true)", "e.status = 'active'",
	},
	{"BeginBeforeTheDueTime", "to begin before the due time", "AND i.due_in <= '0'", ""},
	{"BeginUnasked", "", "SELECT CASE WHEN i.begin = 1 AND", "SELECT CASE WHEN"},
	{
		"BegunLeaseWithoutTheTimeout", "begun with the acceptance",
		"THEN clock.now + coalesce(nullif(e.timeout, '0'), $26::interval) + $27::interval",
		"THEN clock.now + least($26::interval, '0') + $27::interval",
	},
	{
		"BegunWithoutANumber", "begun with the acceptance",
		"CASE WHEN started_at IS NULL THEN 0 ELSE 1 END", "CASE WHEN started_at IS NULL THEN 0 ELSE 0 END",
	},
	{"StaleMatchAccepted", "stale matches", "AND t.config_version = i.config_version", ""},
	{
		"ExpiryWithoutThePause", "paused",
		"CASE WHEN e.status = 'paused' THEN e.paused_at ELSE clock.now END - e.paused_total", "clock.now",
	},
	{"PauseNotCounted", "paused", "THEN clock.now - e.paused_at ELSE '0'", "THEN clock.now - clock.now ELSE '0'"},
	{
		"CancelledAfterItsEnd", "cancelled in vain",
		"SELECT state IN ('scheduled', 'attempting') FROM found", "SELECT true FROM found",
	},
}
