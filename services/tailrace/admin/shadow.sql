-- The shadow

-- name: find_shadow
select coalesce(obj_description(oid, 'pg_namespace'), '') as mark from pg_namespace where nspname = $1

-- name: make_bookkeeping
-- spans: what is replayed. moved: named by a record behind that. compared: what can be compared. others: whose cost parts cannot.
create unlogged table {shadow}.replay_spans (partition integer primary key, first bigint not null, until bigint not null);
create unlogged table {shadow}.replay_moved (kind text, project_id text, id text, primary key (project_id, id, kind));
create unlogged table {shadow}.replay_compared (kind text, project_id text, id text, partition integer, primary key (project_id, id, kind));
create unlogged table {shadow}.replay_others (project_id text, partition integer, user_id text);
create unlogged table {shadow}.replay_swapped (kind text, project_id text, id text, primary key (project_id, id, kind));
create unlogged table {shadow}.replay_differences (
    number bigint generated always as identity, table_name text, partition integer, kind text, project_id text, id text, name text, what text, columns text[]
)

-- name: add_span
with span as (insert into {shadow}.replay_spans values ($1, $2::bigint, $3::bigint))
insert into {shadow}.stream_progress (partition, applied_origin) values ($1, $2::bigint - 1)

-- name: read_progress
select partition, applied_origin, applied_received_at from stream_progress order by partition

-- name: find_loss
-- Where the log is another since then: its offsets before and after do not speak of the same records.
select partition, created_at from stream_commands where command in ('accept-loss', 'accept-other-log') and created_at >= $1 order by created_at desc limit 1

-- name: note_moved
insert into {shadow}.replay_moved (kind, project_id, id)
select * from unnest($1::text[], $2::text[], $3::text[]) on conflict do nothing

-- name: analyze
analyze {shadow}.traces, {shadow}.trace_bodies, {shadow}.observations, {shadow}.observation_bodies, {shadow}.scores, {shadow}.cost_parts,
    {shadow}.replay_moved

-- What can be compared. $1: start of the period, $2: project, null for all.

-- name: forget_comparison
truncate {shadow}.replay_compared, {shadow}.replay_others, {shadow}.replay_differences, {shadow}.replay_swapped

-- name: choose
-- Live traces and scores whose first record came in the range or later, and new ones of the shadow; but for what moved on.
insert into {shadow}.replay_compared (kind, project_id, id, partition)
select kind, project_id, id, partition
from (
    select 'trace' as kind, t.project_id, t.id, t.partition from traces t join {shadow}.replay_spans using (partition)
    where t.created_at >= $1 and ($2::text is null or t.project_id = $2)
    union
    select 'trace', s.project_id, s.id, s.partition from {shadow}.traces s
    where not exists (select from traces t where t.project_id = s.project_id and t.id = s.id)
    union
    select 'score', t.project_id, t.id, t.partition from scores t join {shadow}.replay_spans using (partition)
    where t.created_at >= $1 and ($2::text is null or t.project_id = $2)
    union
    select 'score', s.project_id, s.id, s.partition from {shadow}.scores s
    where not exists (select from scores t where t.project_id = s.project_id and t.id = s.id)
) as found
where not exists (
    select from {shadow}.replay_moved m where m.kind = found.kind and m.project_id = found.project_id and m.id = found.id
)
on conflict do nothing

-- name: choose_parts
-- A cost part is a sum over its user's traces on a partition: it can be compared where all of them can. These are the users of the others.
-- $1: project, null for all.
insert into {shadow}.replay_others (project_id, partition, user_id)
select t.project_id, t.partition, t.user_id
from traces t join {shadow}.replay_spans using (partition)
where ($1::text is null or t.project_id = $1)
  and not exists (select from {shadow}.replay_compared c where c.kind = 'trace' and c.project_id = t.project_id and c.id = t.id)
union
select t.project_id, t.partition, t.user_id
from {shadow}.traces t
where not exists (select from {shadow}.replay_compared c where c.kind = 'trace' and c.project_id = t.project_id and c.id = t.id)

-- name: forget_others
truncate {shadow}.replay_others

-- name: analyze_choice
analyze {shadow}.replay_compared, {shadow}.replay_others

-- name: count_not_compared
-- Of what the shadow has: older than the range, and moved on behind it.
select kind, count(*) filter (where is_moved) as moved_on, count(*) filter (where not is_moved) as older
from (
    select 'trace' as kind, m.kind is not null as is_moved
    from {shadow}.traces s left join {shadow}.replay_moved m on m.kind = 'trace' and m.project_id = s.project_id and m.id = s.id
    where not exists (select from {shadow}.replay_compared c where c.kind = 'trace' and c.project_id = s.project_id and c.id = s.id)
    union all
    select 'score', m.kind is not null
    from {shadow}.scores s left join {shadow}.replay_moved m on m.kind = 'score' and m.project_id = s.project_id and m.id = s.id
    where not exists (select from {shadow}.replay_compared c where c.kind = 'score' and c.project_id = s.project_id and c.id = s.id)
) as found
group by kind

-- name: count_parts_not_compared
select count(*) from {shadow}.cost_parts s
where exists (
    select from {shadow}.replay_others o
    where o.project_id = s.project_id and o.partition = s.partition and o.user_id is not distinct from s.user_id
)

-- name: count_other_versions
-- Observations that another price table priced alike.
select count(*)
from {shadow}.observations s
join {shadow}.replay_compared c on c.kind = 'trace' and c.project_id = s.project_id and c.id = s.trace_id
join observations l on l.project_id = s.project_id and l.trace_id = s.trace_id and l.id = s.id and l.day = s.day
where l.price_version is distinct from s.price_version and l.cost_details = s.cost_details
  and l.total_cost is not distinct from s.total_cost

-- name: count_repriced
-- Observations that cost something else, by what priced both sides; the most frequent pairs.
select coalesce(l.price_version, 'nobody') as live, coalesce(s.price_version, 'nobody') as rebuilt, count(*) as observations
from {shadow}.observations s
join {shadow}.replay_compared c on c.kind = 'trace' and c.project_id = s.project_id and c.id = s.trace_id
join observations l on l.project_id = s.project_id and l.trace_id = s.trace_id and l.id = s.id and l.day = s.day
where (l.cost_details, l.total_cost) is distinct from (s.cost_details, s.total_cost)
group by 1, 2 order by 3 desc, 1, 2 limit $1

-- name: list_differences
select name, what, columns from {shadow}.replay_differences where table_name = $1 order by number limit $2

-- Differences of what partitions share. Live rows know of more than the range; they may not know of less.

-- name: diff_users
insert into {shadow}.replay_differences (table_name, partition, project_id, name, what, columns)
select 'users', s.partition, s.project_id, concat_ws('/', s.project_id, s.id, s.partition), case when l.id is null then 'only_shadow' else 'different' end,
       array_remove(array[case when s.first_seen_at < l.first_seen_at then 'first_seen_at' end,
                          case when s.last_seen_at > l.last_seen_at then 'last_seen_at' end], null)
from {shadow}.users s left join users l using (project_id, id, partition)
where l.id is null or s.first_seen_at < l.first_seen_at or s.last_seen_at > l.last_seen_at

-- name: diff_sessions
insert into {shadow}.replay_differences (table_name, partition, project_id, name, what, columns)
select 'sessions', s.partition, s.project_id, concat_ws('/', s.project_id, s.id, s.partition), case when l.id is null then 'only_shadow' else 'different' end,
       array_remove(array[case when (s.created_at, s.environment collate "C") < (l.created_at, l.environment collate "C") then 'created_at' end,
                          case when s.last_seen_at > l.last_seen_at then 'last_seen_at' end], null)
from {shadow}.sessions s left join sessions l using (project_id, id, partition)
where l.id is null or s.last_seen_at > l.last_seen_at
   or (s.created_at, s.environment collate "C") < (l.created_at, l.environment collate "C")

-- name: diff_dead_letters
insert into {shadow}.replay_differences (table_name, partition, project_id, name, what, columns)
select 'dead_letters', partition, project_id, concat_ws('/', project_id, partition, origin, sequence),
       case when s.reason is null then 'only_live' when l.reason is null then 'only_shadow' else 'different' end,
       array_remove(array[case when s.reason <> l.reason then 'reason' end, case when s.detail <> l.detail then 'detail' end,
                          case when s.entity is distinct from l.entity then 'entity' end,
                          case when s.content_kind <> l.content_kind then 'content_kind' end,
                          case when s.payload <> l.payload then 'payload' end], null)
from (
    select d.* from dead_letters d join {shadow}.replay_spans p on p.partition = d.partition and d.origin >= p.first and d.origin < p.until
    where $1::text is null or d.project_id = $1
) as l
full join {shadow}.dead_letters s using (project_id, partition, origin, sequence)
where l.reason is null or s.reason is null
   or (l.reason, l.detail, l.content_kind, l.payload) <> (s.reason, s.detail, s.content_kind, s.payload) or l.entity is distinct from s.entity

-- name: diff_cost_parts
-- A part without figures is no part. $1: project, null for all.
insert into {shadow}.replay_differences (table_name, partition, project_id, name, what, columns)
select 'cost_parts', partition, project_id,
       concat_ws('/', project_id, coalesce(s.user_id, l.user_id, '-'), coalesce(s.model, l.model, '-'), bucket,
                 to_char(bucket_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"'), partition),
       case when s.cost is null then 'only_live' when l.cost is null then 'only_shadow' else 'different' end,
       array_remove(array[case when s.cost <> l.cost then 'cost' end, case when s.input_tokens <> l.input_tokens then 'input_tokens' end,
                          case when s.output_tokens <> l.output_tokens then 'output_tokens' end,
                          case when s.total_tokens <> l.total_tokens then 'total_tokens' end,
                          case when s.generations <> l.generations then 'generations' end, case when s.errors <> l.errors then 'errors' end,
                          case when s.traces <> l.traces then 'traces' end], null)
from (
    select p.*, coalesce('=' || p.user_id, '') as user_key, coalesce('=' || p.model, '') as model_key
    from cost_parts p join {shadow}.replay_spans using (partition)
    where ($1::text is null or p.project_id = $1)
      and (p.cost, p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces) <> (0, 0, 0, 0, 0, 0, 0)
      and not exists (
          select from {shadow}.replay_others o
          where o.project_id = p.project_id and o.partition = p.partition and o.user_id is not distinct from p.user_id
      )
) as l
full join (
    select p.*, coalesce('=' || p.user_id, '') as user_key, coalesce('=' || p.model, '') as model_key
    from {shadow}.cost_parts p
    where (p.cost, p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces) <> (0, 0, 0, 0, 0, 0, 0)
      and not exists (
          select from {shadow}.replay_others o
          where o.project_id = p.project_id and o.partition = p.partition and o.user_id is not distinct from p.user_id
      )
) as s using (project_id, partition, bucket, bucket_start, user_key, model_key)
where l.cost is null or s.cost is null
   or (l.cost, l.input_tokens, l.output_tokens, l.total_tokens, l.generations, l.errors, l.traces)
      <> (s.cost, s.input_tokens, s.output_tokens, s.total_tokens, s.generations, s.errors, s.traces)

-- name: count_cost_parts
-- Shadow parts that can be compared.
select count(*) from {shadow}.cost_parts p
where (p.cost, p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces) <> (0, 0, 0, 0, 0, 0, 0)
  and not exists (
      select from {shadow}.replay_others o
      where o.project_id = p.project_id and o.partition = p.partition and o.user_id is not distinct from p.user_id
  )

-- name: count_shadow_rows
select (select count(*) from {shadow}.users) as users, (select count(*) from {shadow}.sessions) as sessions,
       (select count(*) from {shadow}.dead_letters) as dead_letters

-- name: count_differences
select what, count(*) as count from {shadow}.replay_differences where table_name = $1 group by what

-- Swapping one partition. $1: partition.

-- name: list_differing
-- Partitions in which something differs that a swap replaces.
select distinct partition from {shadow}.replay_differences where table_name <> 'dead_letters'

-- name: lock_partition
select applied_origin from stream_progress where partition = $1 for update

-- name: take_epoch
-- Fence the owner, so that it starts over from what stands here then. Returns the epoch.
update stream_progress set epoch = greatest(epoch + 1, $2), owner = null, updated_at = now() where partition = $1 returning epoch

-- name: leave_moved
-- What changed since it was compared is left as it is. Returns its names.
with gone as (
    delete from {shadow}.replay_compared c using {shadow}.replay_moved m
    where c.partition = $1 and m.kind = c.kind and m.project_id = c.project_id and m.id = c.id
    returning c.kind, c.project_id, c.id
)
select distinct kind, project_id, id from gone
where exists (
    select from {shadow}.replay_differences d where d.kind = gone.kind and d.project_id = gone.project_id and d.id = gone.id
)
order by kind, project_id, id

-- name: choose_swapped
insert into {shadow}.replay_swapped (kind, project_id, id)
select distinct c.kind, c.project_id, c.id
from {shadow}.replay_compared c join {shadow}.replay_differences d using (kind, project_id, id)
where c.partition = $1

-- name: forget_swapped
truncate {shadow}.replay_swapped

-- name: count_swapped
select kind, count(*) as count from {shadow}.replay_swapped group by kind

-- name: move_cost_parts
-- Takes the live contributions of the swapped traces back and adds the shadow's. $2: epoch, $3: applied origin.
with swapped as (
    select t.project_id, t.user_id, t.contributions, -1 as sign
    from traces t join {shadow}.replay_swapped w on w.kind = 'trace' and w.project_id = t.project_id and w.id = t.id
    union all
    select t.project_id, t.user_id, t.contributions, 1
    from {shadow}.traces t join {shadow}.replay_swapped w on w.kind = 'trace' and w.project_id = t.project_id and w.id = t.id
),
deltas as (
    select s.project_id, s.user_id, c ->> 0 as model, b.bucket,
           date_trunc(b.bucket, to_timestamp((c ->> 1)::bigint / 1000000), 'UTC') as bucket_start,
           sum(sign * (c ->> 2)::numeric) as cost, sum(sign * (c ->> 3)::bigint)::bigint as input_tokens,
           sum(sign * (c ->> 4)::bigint)::bigint as output_tokens, sum(sign * (c ->> 5)::bigint)::bigint as total_tokens,
           sum(sign * (c ->> 6)::bigint)::bigint as generations, sum(sign * (c ->> 7)::bigint)::bigint as errors,
           sum(sign * (c ->> 8)::bigint)::bigint as traces
    from swapped s
    cross join lateral jsonb_array_elements(s.contributions) c
    cross join (values ('minute'), ('hour'), ('day')) as b (bucket)
    group by 1, 2, 3, 4, 5
)
insert into cost_parts as p (project_id, user_id, model, bucket, bucket_start, partition, cost, input_tokens, output_tokens, total_tokens,
                             generations, errors, traces, epoch, origin)
select project_id, user_id, model, bucket, bucket_start, $1, trim_scale(cost), input_tokens, output_tokens, total_tokens, generations,
       errors, traces, $2, $3
from deltas
where (cost, input_tokens, output_tokens, total_tokens, generations, errors, traces) <> (0, 0, 0, 0, 0, 0, 0)
on conflict on constraint cost_parts_key do update
set cost = trim_scale(p.cost + excluded.cost), input_tokens = p.input_tokens + excluded.input_tokens,
    output_tokens = p.output_tokens + excluded.output_tokens, total_tokens = p.total_tokens + excluded.total_tokens,
    generations = p.generations + excluded.generations, errors = p.errors + excluded.errors, traces = p.traces + excluded.traces,
    epoch = excluded.epoch, origin = excluded.origin

-- name: clear_cost_parts
-- Parts of compared users that the shadow does not have. $4: project, null for all.
update cost_parts p
set cost = 0, input_tokens = 0, output_tokens = 0, total_tokens = 0, generations = 0, errors = 0, traces = 0, epoch = $2, origin = $3
where p.partition = $1 and ($4::text is null or p.project_id = $4)
  and (p.cost, p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces) <> (0, 0, 0, 0, 0, 0, 0)
  and not exists (
      select from {shadow}.replay_others o
      where o.project_id = p.project_id and o.partition = p.partition and o.user_id is not distinct from p.user_id
  )
  and not exists (
      select from {shadow}.cost_parts s
      where s.project_id = p.project_id and s.partition = p.partition and s.bucket = p.bucket and s.bucket_start = p.bucket_start
        and s.user_id is not distinct from p.user_id and s.model is not distinct from p.model
  )

-- name: copy_cost_parts
-- Parts of compared users as the shadow has them, where they differ.
insert into cost_parts as p (project_id, user_id, model, bucket, bucket_start, partition, cost, input_tokens, output_tokens, total_tokens,
                             generations, errors, traces, epoch, origin)
select project_id, user_id, model, bucket, bucket_start, partition, cost, input_tokens, output_tokens, total_tokens, generations, errors,
       traces, $2, $3
from {shadow}.cost_parts s
where s.partition = $1
  and not exists (
      select from {shadow}.replay_others o
      where o.project_id = s.project_id and o.partition = s.partition and o.user_id is not distinct from s.user_id
  )
on conflict on constraint cost_parts_key do update
set cost = excluded.cost, input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
    total_tokens = excluded.total_tokens, generations = excluded.generations, errors = excluded.errors, traces = excluded.traces,
    epoch = excluded.epoch, origin = excluded.origin
where (p.cost, p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces)
   <> (excluded.cost, excluded.input_tokens, excluded.output_tokens, excluded.total_tokens, excluded.generations, excluded.errors,
       excluded.traces)

-- name: widen_users
insert into users as l (project_id, id, partition, first_seen_at, last_seen_at)
select project_id, id, partition, first_seen_at, last_seen_at from {shadow}.users where partition = $1
on conflict (project_id, id, partition) do update
set first_seen_at = least(l.first_seen_at, excluded.first_seen_at), last_seen_at = greatest(l.last_seen_at, excluded.last_seen_at)
where excluded.first_seen_at < l.first_seen_at or excluded.last_seen_at > l.last_seen_at

-- name: widen_sessions
insert into sessions as l (project_id, id, partition, created_at, last_seen_at, environment)
select project_id, id, partition, created_at, last_seen_at, environment from {shadow}.sessions where partition = $1
on conflict (project_id, id, partition) do update
set environment = case when (excluded.created_at, excluded.environment collate "C") < (l.created_at, l.environment collate "C")
                       then excluded.environment else l.environment end,
    created_at = least(l.created_at, excluded.created_at), last_seen_at = greatest(l.last_seen_at, excluded.last_seen_at)
where (excluded.created_at, excluded.environment collate "C") < (l.created_at, l.environment collate "C")
   or excluded.last_seen_at > l.last_seen_at

-- name: count_written_parts
select count(*) from cost_parts where partition = $1 and epoch = $2

-- name: record_swap
insert into replay_swaps (partition, project_id, operator, reason, from_origin, to_origin, traces, scores, cost_parts, left_traces, epoch,
                          applied_origin)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: list_unannounced
select id, partition, epoch, applied_origin from replay_swaps where announced_at is null order by id

-- name: list_written_parts
-- The cost parts of a swap that no later record has changed.
select project_id, user_id, model, bucket, bucket_start, cost, input_tokens, output_tokens, total_tokens, generations, errors, traces
from cost_parts where partition = $1 and epoch = $2
order by project_id, user_id

-- name: note_announced
update replay_swaps set announced_at = now() where id = $1
