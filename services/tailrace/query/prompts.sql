-- Prompts: what reads and writes them. Aliases: p prompts, v prompt_versions, l prompt_labels. The manner is that of queries.sql.

-- name: prompt_columns
v.id, v.name, v.version, p.type, v.prompt, v.config::text as config, array(
    select l.label from prompt_labels l where l.project_id = v.project_id and l.name = v.name and l.version = v.version
    order by l.label = 'latest', l.label
) as labels, p.tags, v.commit_message, v.created_by, v.created_at, v.updated_at

-- name: get_prompt_by_version
-- One version by its number.
select {prompt_columns} from prompt_versions v join prompts p using (project_id, name)
where v.project_id = $1 and v.name = $2 and v.version = $3

-- name: get_prompt_by_label
-- The version that has a label.
select {prompt_columns}
from prompt_labels f join prompt_versions v using (project_id, name, version) join prompts p using (project_id, name)
where f.project_id = $1 and f.name = $2 and f.label = $3

-- name: find_prompts
-- The versions that references lead to: names with either a version or a label each.
select w.position::int as position, {prompt_columns}
from unnest($2::text[], $3::int[], $4::text[]) with ordinality as w (name, version, label, position)
left join prompt_labels f on f.project_id = $1 and f.name = w.name and f.label = w.label
join prompt_versions v on v.project_id = $1 and v.name = w.name and v.version = coalesce(w.version, f.version)
join prompts p on p.project_id = v.project_id and p.name = v.name

-- name: size_prompts
-- Bytes of the versions that references lead to.
select coalesce(sum(octet_length(v.prompt)), 0)::bigint
from unnest($2::text[], $3::int[], $4::text[]) as w (name, version, label)
left join prompt_labels f on f.project_id = $1 and f.name = w.name and f.label = w.label
join prompt_versions v on v.project_id = $1 and v.name = w.name and v.version = coalesce(w.version, f.version)

-- name: list_prompts
-- A page of names, with what their chosen versions have. The latest of these tells the config.
with page as (
    select v.name, array_agg(v.version order by v.version) as versions, max(v.updated_at) as last_updated_at
    from prompt_versions v join prompts p using (project_id, name)
    where {where} group by v.name order by v.name limit {limit} offset {offset}
)
select page.name, p.type, page.versions, array(
    select l.label from prompt_labels l where l.project_id = p.project_id and l.name = p.name and l.version = any (page.versions)
    order by l.label = 'latest', l.label
) as labels, p.tags, page.last_updated_at, (
    select v.config::text from prompt_versions v
    where v.project_id = p.project_id and v.name = p.name and v.version = page.versions[cardinality(page.versions)]
) as last_config
from page join prompts p on p.project_id = $1 and p.name = page.name
order by page.name

-- name: count_prompts
-- How many names there are on all pages.
select count(distinct v.name) from prompt_versions v join prompts p using (project_id, name) where {where}

-- name: lock_prompts
-- From here on no one else writes prompts of the project: a label, a circle and a dependency may concern several names.
select pg_advisory_xact_lock(1886547824, hashtext($1))

-- name: get_prompt_kind
-- What all versions of a name share.
select p.type, p.tags, coalesce((
    select max(v.version) from prompt_versions v where v.project_id = p.project_id and v.name = p.name
), 0) as last_version
from prompts p where p.project_id = $1 and p.name = $2

-- name: write_prompt
-- A name, made or with new tags.
insert into prompts (project_id, name, type, tags) values ($1, $2, $3, $4::text[])
on conflict (project_id, name) do update set tags = excluded.tags

-- name: write_prompt_version
-- A version.
insert into prompt_versions (project_id, name, version, id, prompt, config, commit_message)
values ($1, $2, $3, $4, $5, $6::json, $7)

-- name: write_prompt_dependencies
-- What a version includes.
insert into prompt_dependencies (project_id, name, version, child_name, child_version, child_label)
select $1, $2, $3, child_name, child_version, child_label
from unnest($4::text[], $5::int[], $6::text[]) as c (child_name, child_version, child_label)

-- name: touch_prompts
-- Versions from which labels are about to move, and the one that is to have them, count as updated.
update prompt_versions v set updated_at = statement_timestamp()
where v.project_id = $1 and v.name = $2 and exists (
    select from unnest($4::text[]) as m (label)
    left join prompt_labels l on l.project_id = $1 and l.name = $2 and l.label = m.label
    where l.version is distinct from $3 and v.version in ($3, l.version)
)

-- name: touch_all_prompts
-- All versions of a name count as updated.
update prompt_versions set updated_at = statement_timestamp() where project_id = $1 and name = $2

-- name: move_prompt_labels
-- The version has these labels now, and no other has.
insert into prompt_labels (project_id, name, label, version) select $1, $2, label, $3 from unnest($4::text[]) as m (label)
on conflict (project_id, name, label) do update set version = excluded.version where prompt_labels.version <> excluded.version

-- name: delete_prompt_versions
-- Versions of a name, all or those of a number or a label, with their labels.
delete from prompt_versions v
where v.project_id = $1 and v.name = $2 and ($3::int is null or v.version = $3) and ($4::text is null or v.version = (
    select l.version from prompt_labels l where l.project_id = $1 and l.name = $2 and l.label = $4
))
returning v.version

-- name: delete_prompt
-- A name without a version.
delete from prompts p where p.project_id = $1 and p.name = $2
and not exists (select from prompt_versions v where v.project_id = $1 and v.name = $2)

-- name: list_broken_dependents
-- Versions that include what of this name is no more.
select distinct d.name, d.version from prompt_dependencies d
where d.project_id = $1 and d.child_name = $2 and not exists (
    select from prompt_versions v where v.project_id = $1 and v.name = $2 and v.version = d.child_version
) and not exists (
    select from prompt_labels l where l.project_id = $1 and l.name = $2 and l.label = d.child_label
)
order by d.name, d.version limit 10

-- name: announce_prompts
-- Ask every process that holds prompts to say to the channel $3 that it has heard of what was written before.
select pg_notify($1, json_build_object('token', $2::text, 'reply', $3::text)::text)

-- name: renew_prompt_cache
-- A process goes on holding prompts in memory; it hears a mark once it has heard of all that was written before.
with renewed as (
    insert into prompt_caches (id) values ($1) on conflict (id) do update set renewed_at = clock_timestamp()
), gone as (
    delete from prompt_caches where renewed_at < clock_timestamp() - interval '1 hour'
)
select pg_notify($2, json_build_object('mark', $3::bigint)::text)

-- name: confirm_prompts
-- Say to a writer that this process has heard.
select pg_notify($1, json_build_object('heard', $2::text, 'cache', $3::text)::text)

-- name: drop_prompt_cache
-- A process holds no prompts in memory any more.
delete from prompt_caches where id = $1

-- name: list_prompt_caches
-- Processes that may hold prompts in memory.
select id from prompt_caches where renewed_at > clock_timestamp() - interval '10 seconds'

-- name: observations_of_prompt
-- What is linked to a prompt. A day of margin, as for lists of observations.
o.project_id = $1 and left(o.prompt_name, 300) = left($2, 300) and o.prompt_name = $2 and o.prompt_version is not null
and o.start_time >= $3 and o.start_time < $4 and o.day >= $5

-- name: measure_prompt
-- What observations of a prompt cost and how long they took, by version. What repeats another's usage costs nothing here.
select o.prompt_version as version, (
    select v.id from prompt_versions v where v.project_id = $1 and v.name = $2 and v.version = o.prompt_version
) as prompt_id, array(
    select l.label from prompt_labels l where l.project_id = $1 and l.name = $2 and l.version = o.prompt_version
    order by l.label = 'latest', l.label
) as labels, count(*) as n, min(o.start_time) as first_seen_at, max(o.start_time) as last_seen_at,
    count(*) filter (where o.level = 'ERROR') as errors,
    coalesce(sum(o.total_cost) filter (where o.counted), 0) as cost,
    count(o.total_cost) filter (where o.counted) as priced,
    stddev_samp(o.total_cost) filter (where o.counted) as cost_deviation,
    coalesce(least(sum(o.input_tokens) filter (where o.counted), 9223372036854775807), 0)::bigint as input_tokens,
    coalesce(least(sum(o.output_tokens) filter (where o.counted), 9223372036854775807), 0)::bigint as output_tokens,
    coalesce(least(sum(o.total_tokens) filter (where o.counted), 9223372036854775807), 0)::bigint as total_tokens,
    count(o.end_time) as timed,
    percentile_cont(array[0.5, 0.75, 0.9, 0.95, 0.99])
        within group (order by extract(epoch from o.end_time - o.start_time)::float8) as latencies
from observations o where {linked} group by o.prompt_version order by o.prompt_version desc limit $6

-- name: measure_prompt_scores
-- Scores of these observations, and of their traces, each trace once for a version. A category is a row of its own.
with linked as materialized (
    select o.prompt_version as version, o.trace_id, o.id from observations o where {linked}
), scored as (
    select l.version, 'observation' as target, s.name, s.source, s.data_type, s.value, s.string_value
    from linked l join scores s on s.project_id = $1 and s.trace_id = l.trace_id and s.observation_id = l.id
    union all
    select l.version, 'trace', s.name, s.source, s.data_type, s.value, s.string_value
    from (select distinct version, trace_id from linked) l
    join scores s on s.project_id = $1 and s.trace_id = l.trace_id and s.observation_id is null
)
select version, target, name, source, data_type, case when data_type = 'CATEGORICAL' then string_value end as category,
    count(*) as n, avg(value::numeric) as mean, stddev_samp(value::numeric) as deviation
from scored where data_type in ('NUMERIC', 'BOOLEAN', 'CATEGORICAL')
group by version, target, name, source, data_type, category
order by version desc, name, target, source, data_type, category limit $6
