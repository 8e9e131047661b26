-- What there is to do for a tick, by the conditions of the statements that do it.
--
-- $1 the window by which endpoints are judged, $2 for how long what was recorded is not settled
SELECT EXISTS (SELECT FROM deliveries WHERE wake_at IS NOT NULL AND wake_at <= clock.now)
        OR EXISTS (SELECT FROM endpoints WHERE wake_at IS NOT NULL AND wake_at <= clock.now),
    next.job <= clock.now, next.job,
    EXISTS (SELECT FROM rejected_events WHERE redrive_at IS NOT NULL),
    EXISTS (SELECT FROM notices WHERE told_at IS NULL),
    -- Something was recorded that is not counted yet;
    t.mark IS DISTINCT FROM recorded_in(t.through, 'infinity')
        -- or an hour is over that is not made of its spans yet: of those that nobody records in any more;
        OR clock.now >= date_bin('1 hour', t.through, '2000-01-01 00:00+00') + interval '1 hour' + $2::interval
            AND (t.mark <> 0 OR EXISTS (SELECT FROM tallies WHERE width IN (0, 5)
                AND at >= date_bin('1 hour', t.through, '2000-01-01 00:00+00')))
        -- or what endpoints were judged by is out of the window now.
        OR EXISTS (SELECT FROM tallies WHERE width IN (0, 5) AND at > t.judged_at - $1::interval
            AND at < clock.now - $1::interval + interval '5 min'
            AND date_bin('5 min', at, '2000-01-01 00:00+00') > t.judged_at - $1::interval
            AND date_bin('5 min', at, '2000-01-01 00:00+00') <= clock.now - $1::interval),
    h.at
FROM (SELECT clock_timestamp() AS now) clock
CROSS JOIN tallied t
CROSS JOIN housekept h
CROSS JOIN (SELECT min(wake_at) AS job FROM jobs WHERE wake_at IS NOT NULL) next;
