-- What an operator let a replay replace in the live tables: one row for each partition.
-- `epoch`, `applied_origin`: the version of the cost parts that it wrote. `announced_at`: when the meters were told of these.
create table replay_swaps (
    id bigint generated always as identity primary key,
    partition integer not null,
    project_id text,
    operator text not null,
    reason text not null,
    from_origin bigint not null,
    to_origin bigint not null,
    traces bigint not null,
    scores bigint not null,
    cost_parts bigint not null,
    left_traces bigint not null,
    epoch bigint not null,
    applied_origin bigint not null,
    created_at timestamptz not null default now(),
    announced_at timestamptz
);
