-- name: lock_progress
-- The partition's row, held until the transaction ends: one sink at a time moves it.
select epoch, owner, applied_origin, position from stream_progress where partition = $1 for update

-- name: move_progress
-- What is applied, and where to read on.
update stream_progress
set applied_origin = coalesce($2, applied_origin), applied_fingerprint = coalesce($3, applied_fingerprint), applied_received_at = coalesce($4, applied_received_at),
    position = $5, updated_at = now()
where partition = $1

-- name: take_epoch
-- Fence the owner, so that it starts over from what is applied.
update stream_progress set epoch = greatest(epoch + 1, $2), owner = null, updated_at = now() where partition = $1

-- name: read_positions
-- Where to read on.
select partition, position from stream_progress where partition = any($1::int[])

-- name: add_counts
-- Events by project: what came in, what was applied, what is a dead letter. The one increment there is; it moves with applied_origin.
insert into event_counts (project_id, partition, accepted, applied, dead_lettered)
select project_id, $1, sum(accepted), sum(applied), sum(dead_lettered)
from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) as counted (project_id, accepted, applied, dead_lettered)
group by project_id
on conflict (project_id, partition) do update
set accepted = event_counts.accepted + excluded.accepted,
    applied = event_counts.applied + excluded.applied,
    dead_lettered = event_counts.dead_lettered + excluded.dead_lettered

-- name: add_dead_letters
-- Dead letters; the same one again changes nothing.
insert into dead_letters (project_id, partition, origin, sequence, reason, detail, entity, content_kind, payload, received_at)
select project_id, $1, origin, sequence, reason, detail, entity, content_kind, payload, received_at
from unnest($2::text[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::timestamptz[])
    as letter (project_id, origin, sequence, reason, detail, entity, content_kind, payload, received_at)
on conflict do nothing

-- name: reset_position
-- The assembled topic no longer has the stored position: read it from here, and let the owner send again all that is not applied.
update stream_progress set position = $2, epoch = greatest(epoch + 1, $3), owner = null, updated_at = now()
where partition = $1 and position = $4
