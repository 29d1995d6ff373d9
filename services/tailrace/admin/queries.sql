-- Schema

-- name: create_schema_migrations
create table if not exists schema_migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)

-- name: has_schema_migrations
select to_regclass('schema_migrations') is not null

-- name: has_partitioned_tables
select to_regclass('observations') is not null and to_regclass('observation_bodies') is not null

-- name: list_migrations
select version, name, checksum from schema_migrations order by version

-- name: record_migration
insert into schema_migrations (version, name, checksum) values ($1, $2, $3)

-- name: find_stream_partitions
select partitions from streams where name = 'raw'

-- name: fix_stream_partitions
-- The first one that asks fixes the count; others wait for its commit and read it.
insert into streams (name, partitions) values ('raw', $1) on conflict (name) do nothing

-- name: add_progress
insert into stream_progress (partition) select generate_series(0, $1::integer - 1) on conflict (partition) do nothing

-- Tenants

-- name: add_organization
insert into organizations (id, name) values ($1, $2) on conflict (id) do nothing

-- name: add_project
insert into projects (project_id, organization_id, name, retention_days) values ($1, $2, $3, $4)
on conflict (project_id) do nothing

-- name: find_project
select organization_id, suspended_at from projects where project_id = $1

-- name: suspend_project
update projects set suspended_at = coalesce(suspended_at, now()) where project_id = $1

-- name: resume_project
update projects set suspended_at = null where project_id = $1

-- name: find_quota
select quota_events_per_second, quota_bytes_per_second, quota_max_body_bytes from projects where project_id = $1

-- name: set_quota
-- $2 to $4 replace the figures; null leaves one as it is, unless $5 clears those that are not given.
update projects
set quota_events_per_second = coalesce($2, case when not $5 then quota_events_per_second end),
    quota_bytes_per_second = coalesce($3, case when not $5 then quota_bytes_per_second end),
    quota_max_body_bytes = coalesce($4, case when not $5 then quota_max_body_bytes end)
where project_id = $1
returning quota_events_per_second, quota_bytes_per_second, quota_max_body_bytes

-- name: list_projects
select o.id as organization, o.name as organization_name, p.project_id as project, p.name as project_name,
       p.retention_days, p.suspended_at, p.created_at,
       p.quota_events_per_second, p.quota_bytes_per_second, p.quota_max_body_bytes,
       (select count(*) from api_keys k where k.project_id = p.project_id and k.revoked_at is null) as keys
from organizations o left join projects p on p.organization_id = o.id
order by o.id, p.project_id

-- name: find_key
select project_id, secret_salt, secret_hash, revoked_at from api_keys where public_key = $1

-- name: add_key
insert into api_keys (id, project_id, public_key, secret_salt, secret_hash, display_secret_key, note)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (public_key) do nothing

-- name: replace_secret
update api_keys set secret_salt = $2, secret_hash = $3, display_secret_key = $4 where public_key = $1

-- name: revoke_key
update api_keys set revoked_at = now() where public_key = $1 and revoked_at is null

-- name: list_keys
select k.public_key, k.display_secret_key, k.project_id as project, k.note, k.created_at, k.revoked_at
from api_keys k
where $1::text is null or k.project_id = $1
order by k.project_id, k.created_at, k.public_key

-- Partitions

-- name: list_progress
select partition, epoch, owner, applied_origin, applied_received_at, position, halted_reason, updated_at
from stream_progress order by partition

-- name: lock_halted
select applied_origin, applied_fingerprint, halted_reason from stream_progress where partition = $1 for update

-- name: record_command
insert into stream_commands (partition, command, operator, reason, applied_origin_before, applied_origin_after)
values ($1, $2, $3, $4, $5, $6)

-- name: resume_partition
-- The owner's checks run again; $2 is where it stood and stays.
update stream_progress set halted_reason = null, updated_at = now() where partition = $1 and applied_origin = $2

-- name: resume_elsewhere
-- Another place of the log: what was applied there before is not known, and whoever still holds the partition is fenced.
update stream_progress
set halted_reason = null, applied_origin = $2, applied_fingerprint = null, applied_received_at = null,
    epoch = epoch + 1, owner = null, updated_at = now()
where partition = $1

-- Conservation. All of it is read in one snapshot.

-- name: read_applied
select partition, applied_origin from stream_progress order by partition

-- name: read_counts
select project_id, partition, accepted, applied, dead_lettered from event_counts

-- name: read_losses
-- Where an operator let a partition go on elsewhere.
select id, partition, applied_origin_before, applied_origin_after, command = 'accept-other-log' as in_other_log
from stream_commands where command in ('accept-loss', 'accept-other-log') order by id

-- name: read_costs
-- Each project's counted cost, and the same money in the three kinds of windows.
select project_id,
       coalesce(sum(cost) filter (where source = 'observations'), 0) as observations,
       coalesce(sum(cost) filter (where source = 'minute'), 0) as minute,
       coalesce(sum(cost) filter (where source = 'hour'), 0) as hour,
       coalesce(sum(cost) filter (where source = 'day'), 0) as day
from (
    select project_id, 'observations' as source, sum(total_cost) as cost from observations where counted group by 1
    union all
    select project_id, bucket, sum(cost) from cost_parts group by 1, 2
) as sums
group by project_id
order by project_id

-- Dead letters. $1: project, $2: reason, null for any.

-- name: list_dead_letters
select project_id, partition, origin, sequence, reason, detail, entity, content_kind, octet_length(payload) as bytes,
       received_at, created_at, replayed_at
from dead_letters
where ($1::text is null or project_id = $1) and ($2::text is null or reason = $2)
order by created_at desc, project_id, partition, origin desc, sequence
limit $3

-- name: count_dead_letters
select count(*) from dead_letters where ($1::text is null or project_id = $1) and ($2::text is null or reason = $2)

-- name: find_dead_letter
select project_id, partition, origin, sequence, reason, detail, entity, content_kind, octet_length(payload) as bytes, payload,
       received_at, created_at, replayed_at
from dead_letters where project_id = $1 and partition = $2 and origin = $3 and sequence = $4

-- name: count_replayable
-- $3, $4, $5: partition, origin and sequence of one letter, null for any. $6: also those that were replayed. $7: none that is newer: an
-- event that dies again while it is replayed must not be taken once more, for ever.
select count(*) from dead_letters
where ($1::text is null or project_id = $1) and ($2::text is null or reason = $2)
  and ($3::int is null or partition = $3) and ($4::bigint is null or origin = $4) and ($5::int is null or sequence = $5)
  and ($6::boolean or replayed_at is null) and created_at <= $7

-- name: next_replayable
-- The next raw record, after the one of $8, $9, $10, that has such letters.
select project_id, partition, origin from dead_letters
where ($1::text is null or project_id = $1) and ($2::text is null or reason = $2)
  and ($3::int is null or partition = $3) and ($4::bigint is null or origin = $4) and ($5::int is null or sequence = $5)
  and ($6::boolean or replayed_at is null) and created_at <= $7
  and (project_id, partition, origin) > ($8, $9::int, $10::bigint)
order by project_id, partition, origin
limit 1

-- name: read_replayable
-- Such letters of the raw record $8, $9, $10.
select project_id, partition, origin, sequence, reason, content_kind, payload, received_at from dead_letters
where ($1::text is null or project_id = $1) and ($2::text is null or reason = $2)
  and ($3::int is null or partition = $3) and ($4::bigint is null or origin = $4) and ($5::int is null or sequence = $5)
  and ($6::boolean or replayed_at is null) and created_at <= $7
  and project_id = $8 and partition = $9 and origin = $10
order by sequence

-- name: note_replayed
update dead_letters set replayed_at = now()
where project_id = $1 and partition = $2 and origin = $3 and sequence = any ($4::int[])

-- Billing periods and repricing

-- name: read_closed_before
-- Up to when a project's periods are closed.
select closed_before from billing_periods where project_id = $1 order by id desc limit 1

-- name: list_periods
-- How each project's periods came to be as they are, the newest word first. $1: project, null for all.
select project_id, command, closed_before, operator, reason, created_at,
       id = max(id) over (partition by project_id) as is_latest
from billing_periods
where $1::text is null or project_id = $1
order by project_id, id desc

-- name: record_period
insert into billing_periods (project_id, command, closed_before, operator, reason) values ($1, $2, $3, $4, $5)

-- name: try_lock_repricing
-- One command at a time decides which price an observation has, or whether that may change.
select pg_try_advisory_lock($1)

-- name: count_unapplied_repricings
-- Partitions that have not applied all that repricings sent them. Where an operator let a partition go on elsewhere, what was sent before is past.
select count(distinct p.partition)
from repricings r
cross join lateral jsonb_each_text(r.last_origins) as sent (partition, origin)
join stream_progress p on p.partition = sent.partition::int
where ($1::text is null or r.project_id = $1) and p.applied_origin < sent.origin::bigint
  and r.commanded_at > coalesce(
      (select max(c.created_at) from stream_commands c where c.partition = p.partition and c.command like 'accept-%'), '-infinity')

-- name: find_command_time
-- A time after that of every repricing before, so that the last one counts.
select greatest(clock_timestamp(), max(commanded_at) + interval '1 microsecond') from repricings

-- name: projects_with_events
select distinct project_id from event_counts where project_id <> '' order by project_id

-- Observations of a model, by the name that was sent or the one that it was found under. $1: project, $2: model, $3, $4: from and to which start.

-- name: count_of_model
select count(*) from observations o
where o.project_id = $1 and (o.model = $2 or o.model_id = $2) and o.start_time >= $3 and o.start_time < $4

-- name: next_of_model
-- A page in the order of their starts, after the one of $5, $6, $7. $9: keys of the metadata that prices ask for.
select o.start_time, o.id, o.trace_id, o.model, o.model_id, o.model_parameters::text as model_parameters,
       o.usage_details::text as usage_details, o.provided_cost_details::text as provided_cost_details,
       o.cost_details::text as cost_details, o.total_cost, o.unit, o.counted, micros(o.start_time) as start_us,
       t.user_id,
       (select jsonb_object_agg(key, b.metadata -> key)::text from unnest($9::text[]) as key where b.metadata ? key) as metadata
from (
    select * from observations o
    where o.project_id = $1 and (o.model = $2 or o.model_id = $2) and o.start_time >= $3 and o.start_time < $4
      and o.start_time >= $5 and (o.start_time, o.id, o.trace_id) > ($5, $6, $7)
    order by o.start_time, o.id, o.trace_id
    limit $8
) as o
left join traces t on t.project_id = o.project_id and t.id = o.trace_id
left join observation_bodies b
    on cardinality($9::text[]) > 0 and b.project_id = o.project_id and b.trace_id = o.trace_id and b.id = o.id and b.day = o.day
order by o.start_time, o.id, o.trace_id

-- name: begin_repricing
insert into repricings (project_id, command, model, from_start, to_start, forced, operator, reason, commanded_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: note_repricing
-- What it has sent so far; $9: it is done.
update repricings
set observations = $3, repeats = $4, cost_before = $5, cost_after = $6, left_closed = $7, last_origins = $8::jsonb,
    completed_at = case when $9 then now() end
where project_id = $1 and command = $2
