-- Up to when a project's billing periods are closed: the latest row says it, null is not at all. Rows are only ever added.
create table billing_periods (
    project_id text not null,
    id bigint generated always as identity,
    command text not null check (command in ('close', 'reopen')),
    closed_before timestamptz,
    operator text not null,
    reason text,
    created_at timestamptz not null default now(),
    primary key (project_id, id)
);

-- Each repricing that an operator let be, by project. `observations`, `cost_before`, `cost_after`: what it has sent so far, of what counts in
-- sums; `repeats`: of what does not. `last_origins`: the last raw record that it sent, by partition. `completed_at` null: it was interrupted.
create table repricings (
    project_id text not null,
    command uuid not null,
    model text not null,
    from_start timestamptz not null,
    to_start timestamptz not null,
    forced boolean not null,
    operator text not null,
    reason text not null,
    observations bigint not null default 0,
    repeats bigint not null default 0,
    cost_before numeric not null default 0,
    cost_after numeric not null default 0,
    left_closed bigint not null default 0,
    last_origins jsonb not null default '{}',
    commanded_at timestamptz not null,
    completed_at timestamptz,
    primary key (project_id, command)
);
