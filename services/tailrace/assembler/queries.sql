-- name: acquire_epoch
-- A new epoch of a partition for a new owner; nothing for a partition that stands still. Numbers never go back, even if the clock does.
update stream_progress
set epoch = greatest(epoch + 1, $2), owner = $3, updated_at = now()
where partition = $1 and halted_reason is null
returning epoch, applied_origin, applied_fingerprint

-- name: read_progress
-- Where each partition stands.
select partition, epoch, owner, applied_origin, halted_reason from stream_progress where partition = any($1::int[])

-- name: halt_partition
-- The log and the database contradict each other: stand still until an operator decides. Only the current owner may say so.
update stream_progress
set halted_reason = $4, updated_at = now()
where partition = $1 and epoch = $2 and owner = $3

-- name: read_failures
-- Which of a partition's records after $2, up to $3, failed for a fault of our own. An operator's word forgives all before it.
select distinct origin, project_id from dead_letters
where partition = $1 and origin > $2 and origin <= $3 and reason in ('internal_error', 'refused_by_postgres')
  and created_at > coalesce((select max(created_at) from stream_commands where partition = $1), '-infinity')

-- name: read_fine
-- Of whom an event was applied, and where the last one, in a partition's records after $2, up to $3.
select project_id, last_applied_origin from event_counts
where partition = $1 and last_applied_origin > $2 and last_applied_origin <= $3

-- name: last_used_origin
-- The last record of a partition, up to $2, of which an event was applied.
select max(last_applied_origin) from event_counts where partition = $1 and last_applied_origin between 0 and $2

-- name: load_entities
-- What a batch of raw records touches, with the progress that it is as of: one statement, so one snapshot.
-- Money as text (JSON numbers would be read as floats), times in microseconds since 1970.
select
    (select json_build_object('epoch', epoch, 'owner', owner, 'applied_origin', applied_origin)
     from stream_progress where partition = $1) as progress,
    (select json_agg(row_to_json(found)) from (
        select t.project_id, t.id, t.name, t.user_id, t.session_id, t.release, t.version, t.environment, t.public, t.tags,
               t.external_id, t.observation_count, t.ended_roots, t.amended, t.days, t.contributions, t.warnings, t.stamps,
               micros(t.timestamp) as timestamp, micros(t.first_start) as first_start, micros(t.last_end) as last_end,
               micros(t.last_received_at) as last_received, micros(t.created_at) as created, micros(t.updated_at) as updated,
               b.input, b.output, b.metadata, members.found as members
        from unnest($2::text[], $3::text[]) as wanted (project_id, id)
        join traces t using (project_id, id)
        left join trace_bodies b on b.project_id = t.project_id and b.trace_id = t.id
        left join lateral (
            select json_agg(json_build_array(
                o.id, o.parent_observation_id, o.input_tokens, o.output_tokens, o.total_tokens,
                case when o.provided_cost_details <> '{}' then o.total_cost::text end,
                o.counted, o.stamps -> 'v' -> 'uncounted', o.stamps -> 'e'
            )) as found
            from observations o
            where o.project_id = t.project_id and o.trace_id = t.id and o.day = any (t.days) and t.observation_count <= $9
        ) as members on true
    ) as found) as traces,
    (select json_agg(row_to_json(found)) from (
        select o.project_id, o.trace_id, o.id, o.day, o.type, o.name, o.parent_observation_id, o.environment, o.level,
               o.status_message, o.version, o.is_root, o.is_app_root, o.model, o.model_id, o.model_parameters::text as model_parameters,
               o.usage_details, o.provided_cost_details::text as provided_cost_details, o.cost_details::text as cost_details, o.unit,
               o.total_cost::text as total_cost, o.input_price::text as input_price, o.output_price::text as output_price,
               o.price_version, o.pricing_tier, o.counted, o.prompt_name, o.prompt_version, o.warnings, o.stamps,
               o.experiment_id, o.experiment_name, o.experiment_dataset_id, o.experiment_item_id, o.experiment,
               micros(o.start_time) as start_time, micros(o.end_time) as end_time,
               micros(o.completion_start_time) as completion_start_time,
               micros(o.created_at) as created, micros(o.updated_at) as updated,
               b.input, b.output, b.metadata
        from unnest($4::text[], $5::text[], $6::text[]) as wanted (project_id, trace_id, id)
        -- One by one, by their keys: a plan that is made once for all batches would else read whole traces, and some have 50,000.
        cross join lateral (
            select t.days from traces t where t.project_id = wanted.project_id and t.id = wanted.trace_id limit 1
        ) as t
        cross join lateral (
            select * from observations o
            where o.project_id = wanted.project_id and o.trace_id = wanted.trace_id and o.id = wanted.id and o.day = any (t.days)
            limit 1
        ) as o
        left join observation_bodies b on b.project_id = o.project_id and b.trace_id = o.trace_id and b.id = o.id and b.day = o.day
    ) as found) as observations,
    (select json_agg(row_to_json(found)) from (
        select s.project_id, s.id, s.name, s.data_type, s.value, s.string_value, s.long_string_value, s.source, s.comment, s.metadata,
               s.trace_id, s.observation_id, s.session_id, s.dataset_run_id, s.environment, s.config_id, s.queue_id,
               s.author_user_id, s.stamps, nullif(s.deleted, false) as deleted, micros(s.timestamp) as timestamp, micros(s.created_at) as created,
               micros(s.updated_at) as updated
        from unnest($7::text[], $8::text[]) as wanted (project_id, id)
        join scores s using (project_id, id)
    ) as found) as scores

-- name: load_shared
-- This partition's own rows of users, sessions and cost parts, and the extremes of traces without the observations in memory.
select
    (select json_build_object('epoch', epoch, 'owner', owner, 'applied_origin', applied_origin)
     from stream_progress where partition = $1) as progress,
    (select json_agg(row_to_json(found)) from (
        select u.project_id, u.id, micros(u.first_seen_at) as first, micros(u.last_seen_at) as last
        from unnest($2::text[], $3::text[]) as wanted (project_id, id)
        join users u using (project_id, id) where u.partition = $1
    ) as found) as users,
    (select json_agg(row_to_json(found)) from (
        select s.project_id, s.id, micros(s.created_at) as first, micros(s.last_seen_at) as last, s.environment
        from unnest($4::text[], $5::text[]) as wanted (project_id, id)
        join sessions s using (project_id, id) where s.partition = $1
    ) as found) as sessions,
    (select json_agg(row_to_json(found)) from (
        select p.project_id, p.user_id, p.model, p.bucket, micros(p.bucket_start) as start, p.cost::text as cost,
               p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces
        from unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[])
            as wanted (project_id, user_id, model, bucket, bucket_start)
        cross join lateral (
            select * from cost_parts c
            where c.project_id = wanted.project_id and c.bucket = wanted.bucket and c.bucket_start = wanted.bucket_start
              and c.partition = $1 and c.user_id = wanted.user_id and c.model = wanted.model
            union all
            select * from cost_parts c
            where c.project_id = wanted.project_id and c.bucket = wanted.bucket and c.bucket_start = wanted.bucket_start
              and c.partition = $1 and c.user_id = wanted.user_id and c.model is null and wanted.model is null
            union all
            select * from cost_parts c
            where c.project_id = wanted.project_id and c.bucket = wanted.bucket and c.bucket_start = wanted.bucket_start
              and c.partition = $1 and c.user_id is null and wanted.user_id is null and c.model = wanted.model
            union all
            select * from cost_parts c
            where c.project_id = wanted.project_id and c.bucket = wanted.bucket and c.bucket_start = wanted.bucket_start
              and c.partition = $1 and c.user_id is null and wanted.user_id is null and c.model is null and wanted.model is null
        ) as p
    ) as found) as parts

-- name: load_extremes
-- The first start and last end of a trace's observations but for those in memory.
select
    (select json_build_object('epoch', epoch, 'owner', owner, 'applied_origin', applied_origin)
     from stream_progress where partition = $1) as progress,
    micros(min(o.start_time)) as first_start,
    micros(max(greatest(coalesce(o.end_time, o.start_time), o.start_time))) as last_end
from observations o
where o.project_id = $2 and o.trace_id = $3 and o.day = any ($4::date[]) and o.id <> all ($5::text[])

-- name: lock_own_models
-- Wait until no version of an own model is being written, and let none be written before the end of the transaction.
select pg_advisory_xact_lock_shared($1)

-- name: find_changed_models
-- The database's time, and which projects have versions of own models after $1.
select micros(clock_timestamp()) as now_us, coalesce(max(v.version), $1) as last_version,
       coalesce(array_agg(distinct v.project_id) filter (where v.project_id is not null), '{}') as changed
from model_versions v where v.version > $1

-- name: load_own_models
-- All versions of own models of these projects, but for those that were replaced more than $2 days ago.
select v.project_id, v.id, v.version, v.deleted, v.model_name, v.match_pattern, v.start_date as start, v.unit, v.tiers::text as tiers,
       micros(v.effective_at) as effective_us, micros(v.created_at) as created_us
from model_versions v
where v.project_id = any ($1::text[]) and (v.superseded_at is null or v.superseded_at > now() - make_interval(days => $2))

-- name: lock_configuration
-- Wait until no version is being written under this lock, and let none be written before the end of the transaction.
select pg_advisory_xact_lock_shared($1)

-- name: load_score_configs
-- The versions of these score configs that hold for anything received from $3 to $4.
select c.project_id, c.id, c.name, c.data_type, c.min_value, c.max_value, c.categories::text as categories, c.is_archived,
       micros(c.effective_at) as effective_us, micros(c.superseded_at) as superseded_us
from unnest($1::text[], $2::text[]) as wanted (project_id, id)
join score_config_versions c using (project_id, id)
where c.effective_at <= $4 and (c.superseded_at is null or c.superseded_at > $3)
