-- Every statement on datasets, their items and runs, and on experiments. The same rules as in queries.sql. Aliases: d datasets, i items,
-- r runs, e executions of items, o observations, s scores, t traces.

-- name: dataset_columns
d.id, d.name, d.description, d.metadata, d.input_schema, d.expected_output_schema, d.created_at, d.updated_at

-- name: list_datasets
-- A page of datasets.
select {dataset_columns} from datasets d where d.project_id = $1 order by d.created_at desc, d.id desc limit $2 offset $3

-- name: count_datasets
-- How many there are.
select count(*) from datasets d where d.project_id = $1

-- name: get_dataset
-- One dataset by its name.
select {dataset_columns} from datasets d where d.project_id = $1 and d.name = $2

-- name: get_dataset_by_id
-- One dataset by its id.
select {dataset_columns} from datasets d where d.project_id = $1 and d.id = $2

-- name: lock_dataset
-- One dataset by its name; whoever writes into it stands in line here.
select {dataset_columns} from datasets d where d.project_id = $1 and d.name = $2 for update

-- name: lock_dataset_by_id
-- One dataset by its id; whoever writes into it stands in line here.
select {dataset_columns} from datasets d where d.project_id = $1 and d.id = $2 for update

-- name: wait_for_writers
-- Wait until what was being written into a dataset is written: from then on its past does not change.
select {dataset_columns} from datasets d where d.project_id = $1 and d.name = $2 for share

-- name: insert_dataset
-- A new dataset; nothing if somebody else was first.
insert into datasets as d (project_id, id, name, description, metadata, input_schema, expected_output_schema, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), clock_timestamp())
on conflict do nothing
returning {dataset_columns}

-- name: update_dataset
-- What a dataset says of itself.
update datasets d
set description = $3, metadata = $4, input_schema = $5, expected_output_schema = $6, updated_at = clock_timestamp()
where d.project_id = $1 and d.id = $2
returning {dataset_columns}

-- name: dataset_item_columns
i.id, i.dataset_id, d.name as dataset_name, i.status, i.input, i.expected_output, i.metadata, i.source_trace_id, i.source_observation_id,
i.created_at, i.valid_from

-- name: list_dataset_items
-- A page of items, newest first.
select {dataset_item_columns} from dataset_items i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id
where {where} order by i.created_at desc, i.id desc limit {limit} offset {offset}

-- name: count_dataset_items
-- How many there are on all pages.
select count(*) from dataset_items i where {where}

-- name: size_dataset_items
-- Bytes of the bodies of a page of items.
select coalesce(sum(coalesce(octet_length(p.input), 0) + coalesce(octet_length(p.expected_output), 0)
    + coalesce(octet_length(p.metadata), 0)), 0)::bigint
from (select i.input, i.expected_output, i.metadata from dataset_items i where {where}
      order by i.created_at desc, i.id desc limit {limit} offset {offset}) as p

-- name: get_dataset_item
-- One item as it is now.
select {dataset_item_columns} from dataset_items i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id
where i.project_id = $1 and i.id = $2 and i.valid_to is null

-- name: get_dataset_item_at
-- One item as it was at an instant.
select {dataset_item_columns} from dataset_items i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id
where i.project_id = $1 and i.id = $2 and i.valid_from <= $3 and (i.valid_to is null or i.valid_to > $3)

-- name: next_dataset_items
-- The items of a dataset after one, to be checked one batch after the other.
select {dataset_item_columns} from dataset_items i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id
where i.project_id = $1 and i.dataset_id = $2 and i.valid_to is null and i.id > $3 order by i.id limit $4

-- name: write_dataset_item
-- The next state of an item, or its first. States change at whole milliseconds, as times are told: never before it is written.
-- An item of this id that is now in another dataset stays, and is a violation of its key.
with moment as (
    select greatest(
        date_trunc('milliseconds', clock_timestamp() + interval '999 microseconds'),
        max(greatest(v.valid_from, v.valid_to)) + interval '1 millisecond'
    ) as at
    from dataset_items v where v.project_id = $1 and v.id = $2
),
before as (
    update dataset_items v set valid_to = moment.at from moment
    where v.project_id = $1 and v.id = $2 and v.dataset_id = $3 and v.valid_to is null
    returning v.created_at
),
written as (
    insert into dataset_items (project_id, id, dataset_id, valid_from, status, input, expected_output, metadata, source_trace_id,
        source_observation_id, created_at)
    select $1, $2, $3, moment.at, $4, $5, $6, $7, $8, $9, coalesce((select before.created_at from before), moment.at) from moment
    returning *
)
select {dataset_item_columns} from written i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id

-- name: delete_dataset_item
-- End the last state of an item.
update dataset_items i
set valid_to = greatest(date_trunc('milliseconds', clock_timestamp() + interval '999 microseconds'), i.valid_from + interval '1 millisecond')
where i.project_id = $1 and i.id = $2 and i.valid_to is null

-- name: list_dataset_item_ids
-- The ids of a dataset's active items.
select i.dataset_id, i.id from dataset_items i
where i.project_id = $1 and i.dataset_id = any($2::text[]) and i.valid_to is null and i.status = 'ACTIVE'
order by i.created_at desc, i.id desc limit $3

-- name: find_trace_of_observation
-- In which trace an observation is; of several with that id the newest has it.
select o.trace_id from observations o where o.project_id = $1 and o.id = $2 order by o.start_time desc, o.trace_id limit 1

-- name: write_run
-- The run of a name, made on first use; its first description and metadata stay.
insert into dataset_runs as r (project_id, id, dataset_id, name, description, metadata, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, coalesce($7, clock_timestamp()), clock_timestamp())
on conflict (project_id, id) do update set updated_at = excluded.updated_at
returning r.id

-- name: write_run_item
-- An execution of an item; one that is told again stays as it was.
insert into dataset_run_items as i (project_id, id, run_id, dataset_item_id, trace_id, observation_id, dataset_version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, clock_timestamp()), clock_timestamp())
on conflict (project_id, id) do update set updated_at = excluded.updated_at, observation_id = coalesce(excluded.observation_id, i.observation_id)
returning i.id, i.dataset_item_id as item_id, i.trace_id, i.observation_id, i.created_at, i.updated_at

-- name: forget_run_items
delete from dataset_run_items i where i.project_id = $1 and i.run_id = any($2::text[])

-- name: forget_runs
delete from dataset_runs r where r.project_id = $1 and r.id = any($2::text[])

-- name: mark_runs_deleted
-- What was received of their spans up to now belongs to them no more.
insert into deleted_dataset_runs (project_id, run_id, deleted_at)
select $1, id, clock_timestamp() from unnest($2::text[]) as id
on conflict (project_id, run_id) do update set deleted_at = excluded.deleted_at

-- name: executions
-- Executions of items in experiments, as spans tell them and as calls do; what both tell is one. {days}: a bound of the partitions.
(
    select o.project_id, o.experiment_id as run_id, o.experiment_name as run_name, o.experiment_dataset_id as dataset_id,
           o.experiment_item_id as item_id, o.trace_id, o.id as observation_id, o.start_time as at,
           greatest(o.end_time, o.start_time) as ended_at, o.updated_at, true as is_span
    from observations o
    where o.experiment is not null and o.experiment_item_id is not null {days}
      and not exists (
          select from deleted_dataset_runs x
          where x.project_id = o.project_id and x.run_id = o.experiment_id and x.deleted_at >= o.created_at
      )
    union all
    select i.project_id, i.run_id, r.name, r.dataset_id, i.dataset_item_id, i.trace_id, i.observation_id, i.created_at, i.created_at,
           i.updated_at, false
    from dataset_run_items i join dataset_runs r on r.project_id = i.project_id and r.id = i.run_id
    where not exists (
        select from observations o
        where o.project_id = i.project_id and o.experiment_id = i.run_id and o.experiment is not null
          and o.trace_id = i.trace_id and o.experiment_item_id = i.dataset_item_id
    )
)

-- name: list_runs
-- A dataset's runs, newest first: those that were told by a call and those of which only spans tell. $3: a name, or null for all.
with told as (
    select r.* from dataset_runs r where r.project_id = $1 and r.dataset_id = $2 and ($3::text is null or r.name = $3)
),
executed as (
    select e.run_id as id, min(e.at) as created_at, max(e.updated_at) as updated_at
    from {executions} as e
    where e.project_id = $1 and e.dataset_id = $2 and ($3::text is null or e.run_name = $3)
    group by e.run_id
),
runs as (
    select coalesce(t.id, e.id) as id, t.name, t.description, t.metadata, coalesce(t.created_at, e.created_at) as created_at,
           greatest(t.updated_at, e.updated_at) as updated_at
    from told t full join executed e on e.id = t.id
),
page as (
    select runs.*, count(*) over () as total from runs order by created_at desc, id desc limit $4 offset $5
)
select p.id, coalesce(p.name, f.experiment_name, '') as name, p.description, p.metadata, f.experiment, p.created_at, p.updated_at, p.total
from page p left join lateral (
    select o.experiment_name, o.experiment from observations o
    where o.project_id = $1 and o.experiment_id = p.id and o.experiment is not null
    order by o.start_time, o.trace_id, o.id limit 1
) as f on true
order by p.created_at desc, p.id desc

-- name: list_run_names
-- The names of a dataset's runs, newest first.
select coalesce(r.name, e.name) as name
from (select r.id, r.name, r.created_at from dataset_runs r where r.project_id = $1 and r.dataset_id = $2) as r
full join (
    select e.run_id as id, min(e.run_name) as name, min(e.at) as created_at from {executions} as e
    where e.project_id = $1 and e.dataset_id = $2 group by e.run_id
) as e on e.id = r.id
where coalesce(r.name, e.name) is not null
order by coalesce(r.created_at, e.created_at) desc, coalesce(r.id, e.id) desc limit $3

-- name: list_run_items
-- A run's executions, newest first. An item that ran twice in one trace has run once.
with found as (
    select distinct on (e.item_id, e.trace_id) e.item_id, e.trace_id, e.observation_id, e.at as created_at, e.updated_at
    from {executions} as e
    where e.project_id = $1 and e.run_id = $2
    order by e.item_id, e.trace_id, e.at desc, e.observation_id
)
select '' as id, f.item_id, f.trace_id, f.observation_id, f.created_at, f.updated_at, count(*) over () as total
from found f order by f.created_at desc, f.item_id desc, f.trace_id desc limit $3 offset $4

-- name: list_experiments
-- Experiments of a period by their last activity. {where}: on executions.
with found as (
    select e.run_id as id, min(e.at) as started_at, max(coalesce(e.ended_at, e.at)) as ended_at, count(distinct e.item_id) as items
    from {executions} as e
    where {where}
    group by e.run_id
),
page as (
    select f.* from found f where {after} order by f.ended_at desc, f.id desc limit {limit}
)
select p.id, p.started_at, p.ended_at, p.items, coalesce(r.name, f.experiment_name, '') as name, r.description, r.metadata, f.experiment,
       coalesce(r.dataset_id, f.experiment_dataset_id) as dataset_id
from page p
left join dataset_runs r on r.project_id = $1 and r.id = p.id
left join lateral (
    select o.experiment_name, o.experiment_dataset_id, o.experiment from observations o
    where o.project_id = $1 and o.experiment_id = p.id and o.experiment is not null
    order by o.start_time, o.trace_id, o.id limit 1
) as f on true
order by p.ended_at desc, p.id desc

-- name: execution_columns
e.run_id, coalesce(e.run_name, '') as run_name, e.dataset_id, e.item_id, e.trace_id, e.at, root.id as observation_id, root.day,
coalesce(root.start_time, e.at) as start_time, root.end_time, coalesce(root.level, 'DEFAULT') as level,
coalesce(root.environment, t.environment, 'default') as environment, root.experiment

-- name: list_executions
-- Executions of items with their root observations, newest first. What a call tells without naming an observation has the trace's root.
select {execution_columns}
from (select e.* from {executions} as e where {where} order by e.at desc, e.trace_id desc, e.item_id desc, e.run_id desc limit {limit}) as e
left join lateral (
    select o.* from observations o
    where o.project_id = e.project_id and o.trace_id = e.trace_id
      and (o.id = e.observation_id or e.observation_id is null and o.parent_observation_id is null)
    order by o.start_time, o.id limit 1
) as root on true
left join traces t on t.project_id = e.project_id and t.id = e.trace_id
order by e.at desc, e.trace_id desc, e.item_id desc, e.run_id desc

-- name: list_compared
-- A run's executions, with what each took: by its root observation if that is known, else by its trace.
select e.item_id, e.trace_id, e.at, root.id as observation_id, root.day,
       extract(epoch from coalesce(root.end_time - root.start_time, t.last_end - t.first_start))::float8 as latency_seconds,
       t.total_cost, coalesce(root.level, 'DEFAULT') as level
from {executions} as e
left join lateral (
    select o.* from observations o
    where o.project_id = e.project_id and o.trace_id = e.trace_id
      and (o.id = e.observation_id or e.observation_id is null and o.parent_observation_id is null)
    order by o.start_time, o.id limit 1
) as root on true
left join traces t on t.project_id = e.project_id and t.id = e.trace_id
where e.project_id = $1 and e.run_id = $2
order by e.at desc, e.trace_id desc limit $3

-- name: list_scores_of_executions
-- The newest scores of each of these traces as a whole, or of the observation named beside it.
select {score_columns}, {trace_of_score_columns}
from unnest($2::text[], $3::text[]) as wanted (trace_id, observation_id)
cross join lateral (
    select s.* from scores s
    where s.project_id = $1 and s.trace_id = wanted.trace_id and (s.observation_id is null or s.observation_id = wanted.observation_id)
    order by s.timestamp desc, s.id desc limit $4
) as s
left join traces t on t.project_id = s.project_id and t.id = s.trace_id

-- name: list_scores_of_runs
-- The newest scores of each of these runs as a whole.
select {score_columns}, {trace_of_score_columns}
from unnest($2::text[]) as wanted (run_id)
cross join lateral (
    select s.* from scores s where s.project_id = $1 and s.dataset_run_id = wanted.run_id order by s.timestamp desc, s.id desc limit $3
) as s
left join traces t on t.project_id = s.project_id and t.id = s.trace_id

-- name: list_compared_items
-- What dataset items asked for, as they are now.
select {dataset_item_columns} from dataset_items i join datasets d on d.project_id = i.project_id and d.id = i.dataset_id
where i.project_id = $1 and i.id = any($2::text[]) and i.valid_to is null
