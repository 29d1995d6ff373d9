-- name: lock_progress
-- The partition's row, held until the transaction ends: one sink at a time moves it.
select epoch, owner, applied_origin, position from stream_progress where partition = $1 for update

-- name: lock_free_progress
-- The rows of those partitions that nobody else holds, held until the transaction ends.
select partition, epoch, owner, applied_origin, position from stream_progress where partition = any($1::int[])
order by partition for update skip locked

-- name: move_progress
-- What is applied, if anything more is, and where to read on. The clock tells when that was, now() only when the transaction began.
update stream_progress p
set applied_origin = coalesce(m.applied_origin, p.applied_origin), applied_fingerprint = coalesce(m.fingerprint, p.applied_fingerprint),
    applied_received_at = coalesce(m.received_at, p.applied_received_at), position = m.position, updated_at = clock_timestamp()
from unnest($1::int[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::bigint[])
    as m (partition, applied_origin, fingerprint, received_at, position)
where p.partition = m.partition

-- name: take_epoch
-- Fence the owner, so that it starts over from what is applied.
update stream_progress set epoch = greatest(epoch + 1, $2), owner = null, updated_at = clock_timestamp() where partition = $1

-- name: read_positions
-- Where to read on.
select partition, position from stream_progress where partition = any($1::int[])

-- name: add_counts
-- Events by project: what came in, what was applied, what is a dead letter. The one increment there is; it moves with applied_origin.
insert into event_counts (project_id, partition, accepted, applied, dead_lettered, last_applied_origin)
select project_id, partition, sum(accepted), sum(applied), sum(dead_lettered), coalesce(max(origin) filter (where applied > 0), -1)
from unnest($1::int[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    as counted (partition, project_id, accepted, applied, dead_lettered, origin)
group by project_id, partition
on conflict (project_id, partition) do update
set accepted = event_counts.accepted + excluded.accepted,
    applied = event_counts.applied + excluded.applied,
    dead_lettered = event_counts.dead_lettered + excluded.dead_lettered,
    last_applied_origin = case when excluded.applied > 0 then excluded.last_applied_origin else event_counts.last_applied_origin end

-- name: add_dead_letters
-- Dead letters; the same one again changes nothing.
insert into dead_letters (project_id, partition, origin, sequence, reason, detail, entity, content_kind, payload, received_at)
select project_id, partition, origin, sequence, reason, detail, entity, content_kind, payload, received_at
from unnest($1::int[], $2::text[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::timestamptz[])
    as letter (partition, project_id, origin, sequence, reason, detail, entity, content_kind, payload, received_at)
on conflict do nothing

-- name: reset_position
-- The assembled topic no longer has the stored position: read it from here, and let the owner send again all that is not applied.
update stream_progress set position = $2, epoch = greatest(epoch + 1, $3), owner = null, updated_at = now()
where partition = $1 and position = $4

-- name: read_failures
-- Which of a partition's records after $2, up to $3, failed for a fault of our own. An operator's word forgives all before it.
select distinct origin, project_id from dead_letters
where partition = $1 and origin > $2 and origin <= $3 and reason in ('internal_error', 'refused_by_postgres')
  and created_at > coalesce((select max(created_at) from stream_commands where partition = $1), '-infinity')

-- name: read_fine
-- Of whom an event was applied, and where the last one, in a partition's records after $2, up to $3.
select project_id, last_applied_origin from event_counts
where partition = $1 and last_applied_origin > $2 and last_applied_origin <= $3

-- name: halt_partition
-- Too much fails for a fault of our own: fence the owner, and stand still until an operator decides.
update stream_progress set halted_reason = $2, epoch = greatest(epoch + 1, $3), owner = null, updated_at = now() where partition = $1

-- name: end_frozen
-- End the session of our own role that has held a partition's progress row and waited for its client in the middle of a COPY for longer
-- than $2: its process is frozen or cut off. Postgres takes it for active, so no time-out of an idle transaction ends it. Who holds the
-- row is told by its xmax.
select a.pid, pg_terminate_backend(a.pid) as ended
from stream_progress p
join pg_stat_activity a on a.backend_xid = p.xmax
where p.partition = $1 and a.datname = current_database() and a.usename = current_user and a.pid <> pg_backend_pid()
  and a.state = 'active' and a.wait_event_type = 'Client' and a.wait_event = 'ClientRead' and a.query_start < now() - $2::interval
