-- Every statement of the query service. A name that ends in _columns is a list of columns for the statements after it; {slots} are
-- filled by tailrace.query.sql with closed fragments. Aliases: t traces, o observations, s scores.

-- name: trace_columns
t.id, t.timestamp, t.name, t.user_id, t.session_id, t.release, t.version, t.environment, t.public, t.bookmarked, t.tags, t.external_id,
t.observation_count, t.error_count, t.total_tokens, t.total_cost, t.first_start, t.last_end, t.root_ended, t.amended, t.days, t.warnings,
t.last_received_at, t.created_at, t.updated_at

-- name: get_trace
-- One trace.
select {trace_columns} from traces t where t.project_id = $1 and t.id = $2

-- name: list_traces
-- A page of traces.
select {trace_columns} from traces t where {where} order by {order} limit {limit} offset {offset}

-- name: count_traces
-- How many traces there are on all pages.
select count(*) from traces t where {where}

-- name: size_trace_bodies
-- Bytes that the bodies of these traces have, metadata as stored.
select coalesce(sum(coalesce(octet_length(b.input), 0) + coalesce(octet_length(b.output), 0) + coalesce(pg_column_size(b.metadata), 0)), 0)::bigint
from trace_bodies b where b.project_id = $1 and b.trace_id = any($2::text[])

-- name: load_trace_bodies
-- The bodies of these traces.
select b.trace_id, b.input, b.output, b.metadata::text as metadata from trace_bodies b where b.project_id = $1 and b.trace_id = any($2::text[])

-- name: list_observation_ids
-- The ids of these traces' observations, whose days lie between $3 and $4.
select o.trace_id, o.id from observations o
where o.project_id = $1 and o.trace_id = any($2::text[]) and o.day >= $3 and o.day <= $4
order by o.start_time, o.id

-- name: list_score_ids
-- The ids of these traces' scores.
select s.trace_id, s.id from scores s where s.project_id = $1 and s.trace_id = any($2::text[]) order by s.timestamp, s.id

-- name: observation_columns
o.trace_id, o.id, o.day, o.type, o.name, o.parent_observation_id, o.start_time, o.end_time, o.completion_start_time, o.environment, o.level,
o.status_message, o.version, o.is_root, o.is_app_root, o.model, o.model_id, o.model_parameters::text as model_parameters,
o.usage_details::text as usage_details, o.cost_details::text as cost_details, o.unit, o.total_tokens, o.total_cost, o.input_price,
o.output_price, o.price_version, o.pricing_tier, o.counted, o.prompt_name, o.prompt_version, (
    select v.id from prompt_versions v where v.project_id = o.project_id and v.name = o.prompt_name and v.version = o.prompt_version
) as prompt_id, o.warnings, o.created_at, o.updated_at

-- name: trace_of_observation_columns
t.user_id, t.session_id, t.name as trace_name, t.tags, t.release, coalesce(t.public, false) as public,
coalesce(t.bookmarked, false) as bookmarked

-- name: list_observations
-- Observations with what they take from their trace.
select {observation_columns}, {trace_of_observation_columns}
from observations o left join traces t on t.project_id = o.project_id and t.id = o.trace_id
where {where} order by o.start_time desc, o.id desc, o.trace_id desc limit {limit} offset {offset}

-- name: count_observations
-- How many observations there are on all pages; Postgres drops the join where no condition speaks of the trace.
select count(*) from observations o left join traces t on t.project_id = o.project_id and t.id = o.trace_id where {where}

-- name: list_trace_observations
-- All observations of one trace, whose days lie between $3 and $4.
select {observation_columns}, {trace_of_observation_columns}
from observations o join traces t on t.project_id = o.project_id and t.id = o.trace_id
where o.project_id = $1 and o.trace_id = $2 and o.day >= $3 and o.day <= $4
order by o.start_time, o.id

-- name: size_observation_bodies
-- Bytes that the bodies of these observations have, metadata as stored. $5 and $6 are the first and the last of their days; $7: with input
-- and output.
select coalesce(sum(
    case when $7 then coalesce(octet_length(b.input), 0) + coalesce(octet_length(b.output), 0) else 0 end
    + coalesce(pg_column_size(b.metadata), 0)), 0)::bigint
from unnest($2::date[], $3::text[], $4::text[]) as wanted (day, trace_id, id)
join observation_bodies b on b.project_id = $1 and b.day = wanted.day and b.trace_id = wanted.trace_id and b.id = wanted.id
where b.day >= $5 and b.day <= $6

-- name: load_observation_bodies
-- The bodies of these observations. $5 and $6 are the first and the last of their days; $7: with input
-- and output.
select b.trace_id, b.id, case when $7 then b.input end as input, case when $7 then b.output end as output, b.metadata::text as metadata
from unnest($2::date[], $3::text[], $4::text[]) as wanted (day, trace_id, id)
join observation_bodies b on b.project_id = $1 and b.day = wanted.day and b.trace_id = wanted.trace_id and b.id = wanted.id
where b.day >= $5 and b.day <= $6

-- name: list_sessions
-- A page of sessions. A session has a row for each partition that saw it; the earliest stands for it.
select s.id, s.created_at, s.environment from sessions s
where {where} and not exists (
    select from sessions e where e.project_id = s.project_id and e.id = s.id and (e.created_at, e.partition) < (s.created_at, s.partition)
)
order by s.created_at desc, s.id desc limit {limit} offset {offset}

-- name: count_sessions
-- How many sessions there are on all pages.
select count(*) from sessions s
where {where} and not exists (
    select from sessions e where e.project_id = s.project_id and e.id = s.id and (e.created_at, e.partition) < (s.created_at, s.partition)
)

-- name: get_session
-- One session, from its earliest row.
select s.id, s.created_at, s.environment from sessions s where s.project_id = $1 and s.id = $2 order by s.created_at, s.partition limit 1

-- name: score_columns
s.id, s.timestamp, s.name, s.data_type, s.value, s.string_value, s.long_string_value, s.source, s.comment, s.metadata::text as metadata,
s.trace_id, s.observation_id, s.session_id, s.dataset_run_id, s.environment, s.config_id, s.queue_id, s.author_user_id, s.created_at,
s.updated_at

-- name: trace_of_score_columns
t.id as found_trace_id, t.user_id, t.tags, t.environment as trace_environment, t.session_id as trace_session_id

-- name: list_scores
-- Scores with what they take from their trace.
select {score_columns}, {trace_of_score_columns}
from scores s left join traces t on t.project_id = s.project_id and t.id = s.trace_id
where {where} and not s.deleted order by s.timestamp desc, s.id desc limit {limit} offset {offset}

-- name: count_scores
-- How many scores there are on all pages.
select count(*) from scores s left join traces t on t.project_id = s.project_id and t.id = s.trace_id
where {where} and not s.deleted

-- name: list_users
-- A page of end users with their figures over the ranges of buckets $2..$4. $5: a prefix of the id, or null. $6: also users without
-- figures there. Parts of all partitions are summed here.
with figures as (
    select p.user_id, sum(p.cost) as cost, least(sum(p.total_tokens), 9223372036854775807)::bigint as tokens, sum(p.traces)::bigint as traces,
           sum(p.errors)::bigint as errors
    from unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) as wanted (bucket, first, last)
    join cost_parts p on p.project_id = $1 and p.bucket = wanted.bucket
        and p.bucket_start >= wanted.first and p.bucket_start < wanted.last
    where p.user_id is not null and ($5::text is null or starts_with(p.user_id, $5))
    group by p.user_id
), seen as (
    select u.id, max(u.last_seen_at) as last_seen_at from users u
    where u.project_id = $1 and ($5::text is null or starts_with(u.id, $5))
    group by u.id
)
select s.id, coalesce(f.cost, 0) as cost, coalesce(f.tokens, 0) as tokens, coalesce(f.traces, 0) as traces,
       coalesce(f.errors, 0) as errors, s.last_seen_at, count(*) over () as total
from seen s left join figures f on f.user_id = s.id
where $6 or f.cost <> 0 or f.tokens <> 0 or f.traces <> 0 or f.errors <> 0
order by {order}, s.id limit {limit} offset {offset}

-- name: list_windows
-- One end user's windows of one bucket length, from $4 to before $5, of the model $6 or of all. Parts of all partitions are summed here;
-- a window that corrections emptied is none.
select p.bucket_start as start, sum(p.cost) as cost, least(sum(p.total_tokens), 9223372036854775807)::bigint as tokens, sum(p.generations)::bigint as generations,
       sum(p.errors)::bigint as errors
from cost_parts p
where p.project_id = $1 and p.user_id = $2 and p.bucket = $3 and p.bucket_start >= $4 and p.bucket_start < $5
  and ($6::text is null or p.model = $6)
group by p.bucket_start
having sum(p.cost) <> 0 or sum(p.total_tokens) <> 0 or sum(p.generations) <> 0 or sum(p.errors) <> 0
order by p.bucket_start limit $7

-- name: own_model_columns
m.id, m.version, m.model_name, m.match_pattern, m.start_date, m.unit, m.tiers::text as tiers, m.tokenizer_id,
m.tokenizer_config::text as tokenizer_config, m.created_at, m.program

-- name: list_own_models
-- A page of the models that a project has now.
select {own_model_columns} from model_versions m
where m.project_id = $1 and m.superseded_at is null and not m.deleted
order by m.model_name, m.start_date desc nulls last, m.created_at desc, m.id limit $2 offset $3

-- name: get_own_model
-- One model as it is now.
select {own_model_columns} from model_versions m where m.project_id = $1 and m.id = $2 and m.superseded_at is null and not m.deleted

-- name: get_own_model_by_name
-- The newest model of a name, for rows that tell only that.
select {own_model_columns} from model_versions m where m.project_id = $1 and m.model_name = $2 and m.superseded_at is null and not m.deleted
order by m.start_date desc nulls last, m.created_at desc, m.id limit 1

-- name: count_own_models
-- How many there are.
select count(*) from model_versions m where m.project_id = $1 and m.superseded_at is null and not m.deleted

-- name: measure_own_models
-- What a project's own models take: how many others than $2 there are, what matching one name against these costs, and how many versions are kept.
select count(*) filter (where m.superseded_at is null and not m.deleted and m.id <> $2) as models,
       coalesce(sum(m.program) filter (where m.superseded_at is null and not m.deleted and m.id <> $2), 0)::bigint as program,
       count(*) as versions
from model_versions m where m.project_id = $1 and (m.superseded_at is null or m.superseded_at > now() - make_interval(days => $3))

-- name: write_own_model
-- The next version of a model, or its first. The time of a version is taken under the lock that readers share (OwnModelStore).
with locked as materialized (select pg_advisory_xact_lock($11)),
clock as materialized (select clock_timestamp() as at from locked),
moment as (select at, at + make_interval(secs => $12::float8 / 1000000) as effective_at from clock),
before as (
    update model_versions v set superseded_at = moment.effective_at from moment
    where v.project_id = $1 and v.id = $2 and v.superseded_at is null
    returning case when v.deleted then null else v.created_at end as created_at
)
insert into model_versions as m (project_id, id, model_name, match_pattern, start_date, unit, tiers, tokenizer_id, tokenizer_config, program,
    created_at, effective_at)
select $1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9::jsonb, $10, coalesce((select before.created_at from before), moment.at), moment.effective_at
from moment
returning {own_model_columns}

-- name: delete_own_model
-- From here on the model is gone; its versions stay, to explain what they priced.
with locked as materialized (select pg_advisory_xact_lock($3)),
clock as materialized (select clock_timestamp() as at from locked),
moment as (select at, at + make_interval(secs => $4::float8 / 1000000) as effective_at from clock),
before as (
    update model_versions v set superseded_at = moment.effective_at from moment
    where v.project_id = $1 and v.id = $2 and v.superseded_at is null and not v.deleted
    returning v.*
)
insert into model_versions as m (project_id, id, model_name, match_pattern, start_date, unit, tiers, tokenizer_id, tokenizer_config, program,
    deleted, created_at, effective_at)
select b.project_id, b.id, b.model_name, b.match_pattern, b.start_date, b.unit, b.tiers, b.tokenizer_id, b.tokenizer_config, 0, true,
       b.created_at, b.superseded_at
from before b
returning {own_model_columns}

-- name: list_unknown_models
-- Models as they were sent that nobody knows a price for, over the starts of their observations.
select o.model, count(*) as observations, sum(o.total_tokens)::numeric as tokens, min(o.start_time) as first_seen_at,
       max(o.start_time) as last_seen_at, count(*) over () as total
from observations o
where o.project_id = $1 and o.start_time >= $2 and o.start_time < $3
  and o.model is not null and o.model_id is null and o.total_cost is null and o.counted
group by o.model order by count(*) desc, o.model limit $4 offset $5

-- name: score_config_columns
c.id, c.version, c.name, c.data_type, c.min_value, c.max_value, c.categories::text as categories, c.description, c.is_archived, c.created_at,
c.updated_at

-- name: list_score_configs
-- A page of the score configs of a project, archived ones too, the newest first.
select {score_config_columns} from score_config_versions c
where c.project_id = $1 and c.superseded_at is null order by c.created_at desc, c.id desc limit $2 offset $3

-- name: count_score_configs
-- How many there are.
select count(*) from score_config_versions c where c.project_id = $1 and c.superseded_at is null

-- name: get_score_config
-- One score config as it is now.
select {score_config_columns} from score_config_versions c where c.project_id = $1 and c.id = $2 and c.superseded_at is null

-- name: write_score_config
-- The first version of a score config, or the one after version $3 if that is still the latest. Its time is taken under the lock that readers
-- share (Repository.load_score_configs).
with locked as materialized (select pg_advisory_xact_lock($11)),
clock as materialized (select clock_timestamp() as at from locked),
moment as (select at, at + make_interval(secs => $12::float8 / 1000000) as effective_at from clock),
before as (
    update score_config_versions v set superseded_at = moment.effective_at from moment
    where v.project_id = $1 and v.id = $2 and v.superseded_at is null and v.version = $3
    returning v.created_at
)
insert into score_config_versions as c (project_id, id, name, data_type, min_value, max_value, categories, description, is_archived,
    created_at, updated_at, effective_at)
select $1, $2, $4, $5, $6, $7, $8::jsonb, $9, $10, coalesce((select before.created_at from before), moment.at), moment.at, moment.effective_at
from moment where $3::bigint is null or exists (select from before)
returning {score_config_columns}

-- name: annotation_queue_columns
q.id, q.name, q.description, q.score_config_ids, q.created_at, q.updated_at

-- name: list_annotation_queues
-- A page of the annotation queues of a project, the newest first.
select {annotation_queue_columns} from annotation_queues q
where q.project_id = $1 order by q.created_at desc, q.id desc limit $2 offset $3

-- name: count_annotation_queues
-- How many there are.
select count(*) from annotation_queues q where q.project_id = $1

-- name: get_annotation_queue
-- One annotation queue.
select {annotation_queue_columns} from annotation_queues q where q.project_id = $1 and q.id = $2

-- name: create_annotation_queue
-- A queue, if the project has all the score configs that it names.
insert into annotation_queues as q (project_id, id, name, description, score_config_ids)
select $1, $2, $3, $4, $5::text[]
where not exists (
    select from unnest($5::text[]) as wanted (id)
    where not exists (
        select from score_config_versions c where c.project_id = $1 and c.id = wanted.id and c.superseded_at is null
    )
)
returning {annotation_queue_columns}

-- name: annotation_queue_item_columns
i.id, i.queue_id, i.object_id, i.object_type, i.status, i.completed_at, i.created_at, i.updated_at

-- name: list_annotation_queue_items
-- A page of a queue's items, the newest first. $3: their status, null for any.
select {annotation_queue_item_columns} from annotation_queue_items i
where i.project_id = $1 and i.queue_id = $2 and ($3::text is null or i.status = $3)
order by i.created_at desc, i.id desc limit $4 offset $5

-- name: count_annotation_queue_items
-- How many there are.
select count(*) from annotation_queue_items i
where i.project_id = $1 and i.queue_id = $2 and ($3::text is null or i.status = $3)

-- name: get_annotation_queue_item
-- One item of a queue.
select {annotation_queue_item_columns} from annotation_queue_items i where i.project_id = $1 and i.queue_id = $2 and i.id = $3

-- name: create_annotation_queue_item
-- An item of a queue that is there.
insert into annotation_queue_items as i (project_id, queue_id, id, object_id, object_type, status, completed_at)
select q.project_id, q.id, $3, $4, $5, $6, case when $6 = 'COMPLETED' then now() end
from annotation_queues q where q.project_id = $1 and q.id = $2
returning {annotation_queue_item_columns}

-- name: update_annotation_queue_item
-- An item with the status $4, or as it is if that is null. It was completed when it became so first.
update annotation_queue_items i
set status = coalesce($4, i.status), updated_at = now(),
    completed_at = case when coalesce($4, i.status) = 'COMPLETED' then coalesce(i.completed_at, now()) end
where i.project_id = $1 and i.queue_id = $2 and i.id = $3
returning {annotation_queue_item_columns}

-- name: delete_annotation_queue_item
-- Take an item out of its queue.
delete from annotation_queue_items i where i.project_id = $1 and i.queue_id = $2 and i.id = $3
returning {annotation_queue_item_columns}

-- name: assign_annotation_queue
-- Let a person work on a queue that is there; again changes nothing.
insert into annotation_queue_assignments as a (project_id, queue_id, user_id)
select q.project_id, q.id, $3 from annotation_queues q where q.project_id = $1 and q.id = $2
on conflict (project_id, queue_id, user_id) do update set user_id = excluded.user_id
returning a.queue_id as id

-- name: unassign_annotation_queue
-- Let a person work on a queue no more, whether or not they did; yields the queue if it is there.
with gone as (
    delete from annotation_queue_assignments a where a.project_id = $1 and a.queue_id = $2 and a.user_id = $3
)
select q.id from annotation_queues q where q.project_id = $1 and q.id = $2

-- name: comment_columns
m.id, m.object_type, m.object_id, m.content, m.author_user_id, m.created_at, m.updated_at

-- name: list_comments
-- A page of comments, the newest first.
select {comment_columns} from comments m where {where} order by m.created_at desc, m.id desc limit {limit} offset {offset}

-- name: count_comments
-- How many comments there are on all pages.
select count(*) from comments m where {where}

-- name: get_comment
-- One comment.
select {comment_columns} from comments m where m.project_id = $1 and m.id = $2

-- name: create_comment
-- A comment.
insert into comments as m (project_id, id, object_type, object_id, content, author_user_id) values ($1, $2, $3, $4, $5, $6)
returning {comment_columns}
