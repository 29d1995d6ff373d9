-- The statements of the metrics API. {slots} are filled by tailrace.query.metrics.statement with closed fragments.

-- name: aggregate
-- Figures of groups of rows. `every` has a column for each key, k0, k1, …, and for each measured value, v0, v1, …; rows with the same keys
-- are `alike`.
with every as (select {columns} from {source} where {where}),
ranged as (select {ranges} from every window alike as ({partition})),
binned as (select {bins} from ranged),
grouped as (select {figures} from binned {group} {having})
select * from grouped order by {order} limit {limit}

-- name: check_zone
-- Whether the database knows a time zone; an error if not.
select count(now() at time zone $1::text)

-- name: list_days
-- A page of UTC days that have traces or observations, newest first, with the figures of each model of the day.
with observed as (
    select (o.start_time at time zone 'UTC')::date as day, o.model, count(*) as observations, count(distinct o.trace_id) as traces,
           coalesce(sum(o.input_tokens) filter (where o.counted), 0) as input_tokens,
           coalesce(sum(o.output_tokens) filter (where o.counted), 0) as output_tokens,
           coalesce(sum(o.total_tokens) filter (where o.counted), 0) as total_tokens,
           coalesce(sum(o.total_cost) filter (where o.counted), 0) as cost
    from observations o left join traces t on t.project_id = o.project_id and t.id = o.trace_id
    where {observations} group by 1, 2
), traced as (
    select (t.timestamp at time zone 'UTC')::date as day, count(*) as traces from traces t where {traces} group by 1
), days as (
    select day, count(*) over () as total from (select day from observed union select day from traced) every
    order by day desc limit {limit} offset {offset}
)
select d.day, d.total, coalesce(n.traces, 0) as day_traces, o.model, coalesce(o.observations, 0) as observations,
       coalesce(o.traces, 0) as traces, coalesce(o.input_tokens, 0) as input_tokens, coalesce(o.output_tokens, 0) as output_tokens,
       coalesce(o.total_tokens, 0) as total_tokens, coalesce(o.cost, 0) as cost
from days d left join traced n on n.day = d.day left join observed o on o.day = d.day
order by d.day desc, o.cost desc nulls last, o.model
