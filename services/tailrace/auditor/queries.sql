-- name: check_tables
-- Fails while the database has no place for the audit.
select from audit_progress, audit_counts, audit_walks limit 0

-- Events. The five are read in one snapshot.

-- name: read_applied
select partition, applied_origin from stream_progress

-- name: read_counts
select project_id, partition, accepted, applied, dead_lettered from event_counts

-- name: read_losses
select id, partition, applied_origin_before, applied_origin_after, command = 'accept-other-log' as in_other_log
from stream_commands where command in ('accept-loss', 'accept-other-log') order by id

-- name: read_progress
select partition, counted_origin, command_id, verified_at from audit_progress

-- name: read_audited
select project_id, partition, accepted, given_up from audit_counts

-- name: begin
-- Count from the log's first record.
insert into audit_progress (partition, counted_origin, base_origin) values ($1, -1, -1) on conflict (partition) do nothing

-- name: take_over
-- Believe what is counted of a partition now; only what an operator gave up stays, with $2 and $3: what is known of it since.
with base as (
    insert into audit_progress (partition, counted_origin, base_origin, command_id)
    select p.partition, p.applied_origin, p.applied_origin,
           coalesce((select max(c.id) from stream_commands c where c.partition = p.partition), 0)
    from stream_progress p where p.partition = $1
    on conflict (partition) do update
    set counted_origin = excluded.counted_origin, base_origin = excluded.base_origin, command_id = excluded.command_id
    returning partition
), forgotten as (
    update audit_counts a set accepted = 0
    from base
    where a.partition = base.partition
      and not exists (select from event_counts e where e.project_id = a.project_id and e.partition = a.partition)
      and not a.project_id = any ($2::text[])
), believed as (
    select coalesce(e.project_id, g.project_id) as project_id, coalesce(e.accepted, 0) as accepted, coalesce(g.events, 0) as given_up
    from (select c.project_id, c.accepted from event_counts c join base using (partition)) e
    full join unnest($2::text[], $3::bigint[]) as g (project_id, events) on g.project_id = e.project_id
)
insert into audit_counts (project_id, partition, accepted, given_up)
select project_id, $1, accepted, given_up from believed
on conflict (project_id, partition) do update
set accepted = excluded.accepted, given_up = audit_counts.given_up + excluded.given_up

-- name: advance
-- Add what was counted, in each partition only to the count that it was counted from: who comes second adds nothing.
with moved as (
    update audit_progress a
    set counted_origin = m.after, verified_at = case when m.verified then now() else a.verified_at end
    from unnest($1::int[], $2::bigint[], $3::bigint[], $4::boolean[]) as m (partition, before, after, verified)
    where a.partition = m.partition and a.counted_origin = m.before
    returning a.partition
)
insert into audit_counts (project_id, partition, accepted, given_up)
select c.project_id, c.partition, c.accepted, c.given_up
from unnest($5::text[], $6::int[], $7::bigint[], $8::bigint[]) as c (project_id, partition, accepted, given_up)
join moved using (partition)
on conflict (project_id, partition) do update
set accepted = audit_counts.accepted + excluded.accepted, given_up = audit_counts.given_up + excluded.given_up

-- Money. Each sum is one statement, and so one snapshot, over a range of time that is made short enough to be quick.

-- name: next_project
-- The first project after $1, of those that have observations or windows.
select least(
    (select min(project_id) from observations where project_id > $1),
    (select min(project_id) from cost_parts where project_id > $1)
)

-- name: next_observed
-- Where the next cost is, from $2 on: of observations, or in minute windows.
select least(
    (select min(start_time) from observations where project_id = $1 and start_time >= $2),
    (select min(bucket_start) from cost_parts where project_id = $1 and bucket = 'minute' and bucket_start >= $2)
)

-- name: compare_observed
-- Counted observations less their minute windows, in [$2, $3).
select (
    select coalesce(sum(total_cost), 0) from observations
    where project_id = $1 and counted and start_time >= $2 and start_time < $3
) - (
    select coalesce(sum(cost), 0) from cost_parts
    where project_id = $1 and bucket = 'minute' and bucket_start >= $2 and bucket_start < $3
)

-- name: next_windows
-- Where the next window of the kinds $3 and $4 is, from $2 on.
select least(
    (select min(bucket_start) from cost_parts where project_id = $1 and bucket = $3 and bucket_start >= $2),
    (select min(bucket_start) from cost_parts where project_id = $1 and bucket = $4 and bucket_start >= $2)
)

-- name: compare_windows
-- Windows of the kind $4 less those of the kind $5, in [$2, $3).
select coalesce(sum(cost) filter (where bucket = $4), 0) - coalesce(sum(cost) filter (where bucket = $5), 0)
from cost_parts
where project_id = $1 and bucket in ($4, $5) and bucket_start >= $2 and bucket_start < $3

-- name: read_touched
-- How often rows of each day of observations were written, by the statistics that Postgres keeps anyway.
select child.relname, pg_stat_get_tuples_inserted(child.oid) + pg_stat_get_tuples_updated(child.oid) + pg_stat_get_tuples_deleted(child.oid) as writes
from pg_inherits join pg_class child on child.oid = inhrelid
where inhparent = 'observations'::regclass

-- name: read_walk
select reached_project, reached_law, reached_at, completed_at from audit_walks where name = $1

-- name: save_walk
insert into audit_walks (name, reached_project, reached_law, reached_at, completed_at) values ($1, $2, $3, $4, $5)
on conflict (name) do update
set reached_project = excluded.reached_project, reached_law = excluded.reached_law, reached_at = excluded.reached_at,
    completed_at = coalesce(excluded.completed_at, audit_walks.completed_at)
