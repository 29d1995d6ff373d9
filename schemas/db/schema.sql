-- Times travel to the processors as microseconds since 1970.
create function micros(at timestamptz) returns bigint language sql stable parallel safe
    return (extract(epoch from at) * 1000000)::bigint;

-- Tenancy: small reference tables, read through caches.

create table organizations (
    id text primary key,
    name text not null,
    created_at timestamptz not null default now()
);

create table projects (
    project_id text primary key,
    organization_id text not null references organizations (id),
    name text not null,
    metadata jsonb not null default '{}',
    retention_days integer,
    suspended_at timestamptz,
    created_at timestamptz not null default now(),
    -- What it may write: null is the installation's default, 0 no limit.
    quota_events_per_second integer check (quota_events_per_second >= 0),
    quota_bytes_per_second bigint check (quota_bytes_per_second >= 0),
    quota_max_body_bytes bigint check (quota_max_body_bytes > 0)
);

create table api_keys (
    id text primary key,
    project_id text not null references projects (project_id),
    public_key text not null unique,
    secret_salt bytea not null,
    secret_hash bytea not null,
    display_secret_key text not null,
    note text,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

-- Edges and queries hold keys in memory; every change tells them at once. The payload is the public key, or * for a whole project.
create function announce_key_change() returns trigger language plpgsql as $$
begin
    perform pg_notify('tailrace_keys', coalesce(new.public_key, old.public_key));
    return null;
end
$$;
create trigger api_keys_announce after insert or update or delete on api_keys
    for each row execute function announce_key_change();

create function announce_project_change() returns trigger language plpgsql as $$
begin
    perform pg_notify('tailrace_keys', '*');
    return null;
end
$$;
create trigger projects_announce after update or delete on projects
    for each row execute function announce_project_change();

-- What each living edge took lately, by project, so that edges divide a quota by demand. Worth nothing after a crash, so not logged.
create unlogged table edges (
    id uuid primary key,
    demand jsonb not null,
    seen_at timestamptz not null default now()
);

-- What projects wrote of models of their own: versions are only ever added, so that the same events find the same prices whenever they
-- are folded. A version holds for what an edge received at `effective_at` or later, until the next version of the same model does.
create table model_versions (
    project_id text not null,
    id text not null,
    version bigint generated always as identity,
    model_name text not null,
    match_pattern text not null,
    start_date timestamptz,
    unit text,
    tiers jsonb not null,
    tokenizer_id text,
    tokenizer_config jsonb,
    -- Instructions of the compiled pattern: what matching one name costs.
    program integer not null,
    deleted boolean not null default false,
    -- When the model was made, whatever its version.
    created_at timestamptz not null,
    effective_at timestamptz not null,
    -- When the next version became effective; null for the latest.
    superseded_at timestamptz,
    primary key (project_id, id, version)
);
create unique index model_versions_latest on model_versions (project_id, id) where superseded_at is null;
create index model_versions_by_version on model_versions (version);

-- Prompts: what holds for all versions of a name, the versions, which version has which label, and what a version includes of others.

create table prompts (
    project_id text not null,
    name text not null,
    type text not null check (type in ('text', 'chat')),
    tags text[] not null default '{}',
    created_at timestamptz not null default statement_timestamp(),
    primary key (project_id, name)
);

create table prompt_versions (
    project_id text not null,
    name text not null,
    version integer not null check (version > 0),
    id text not null,
    -- A text as it is; a chat as the JSON of its messages.
    prompt text not null,
    config json not null,
    commit_message text,
    created_by text not null default 'API',
    created_at timestamptz not null default statement_timestamp(),
    updated_at timestamptz not null default statement_timestamp(),
    primary key (project_id, name, version),
    foreign key (project_id, name) references prompts (project_id, name) on delete cascade
);
create unique index prompt_versions_by_id on prompt_versions (project_id, id);

create table prompt_labels (
    project_id text not null,
    name text not null,
    label text not null,
    version integer not null,
    primary key (project_id, name, label),
    foreign key (project_id, name, version) references prompt_versions (project_id, name, version) on delete cascade
);
create index prompt_labels_by_version on prompt_labels (project_id, name, version);

create table prompt_dependencies (
    project_id text not null,
    name text not null,
    version integer not null,
    child_name text not null,
    -- What of the child: a version, or the one that has a label.
    child_version integer,
    child_label text,
    constraint prompt_dependencies_key
        unique nulls not distinct (project_id, name, version, child_name, child_version, child_label),
    foreign key (project_id, name, version) references prompt_versions (project_id, name, version) on delete cascade,
    check ((child_version is null) <> (child_label is null))
);
create index prompt_dependencies_by_child on prompt_dependencies (project_id, child_name);

-- Queries hold prompts in memory; every change tells them at once which name it concerns.
create function announce_prompt_change() returns trigger language plpgsql as $$
begin
    perform pg_notify('tailrace_prompts', json_build_object(
        'project', coalesce(new.project_id, old.project_id), 'name', coalesce(new.name, old.name)
    )::text);
    return null;
end
$$;
create trigger prompts_announce after insert or update or delete on prompts
    for each row execute function announce_prompt_change();
create trigger prompt_versions_announce after insert or update or delete on prompt_versions
    for each row execute function announce_prompt_change();
create trigger prompt_labels_announce after insert or update or delete on prompt_labels
    for each row execute function announce_prompt_change();

-- Which processes may hold prompts in memory, so that a writer knows whose word to wait for.
create table prompt_caches (
    id uuid primary key,
    renewed_at timestamptz not null default clock_timestamp()
);

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

-- What projects wrote of score configs: versions are only ever added, so that the same scores are judged alike whenever they are folded.
-- A version holds for what an edge received at `effective_at` or later, until the next version of the same config does.
create table score_config_versions (
    project_id text not null,
    id text not null,
    version bigint generated always as identity,
    name text not null,
    data_type text not null,
    min_value double precision,
    max_value double precision,
    categories jsonb,
    description text,
    is_archived boolean not null default false,
    -- When the config was made, and when this version was written.
    created_at timestamptz not null,
    updated_at timestamptz not null,
    effective_at timestamptz not null,
    -- When the next version became effective; null for the latest.
    superseded_at timestamptz,
    primary key (project_id, id, version)
);
create unique index score_config_versions_latest on score_config_versions (project_id, id) where superseded_at is null;

-- What people look through: queues of traces, observations and sessions, and who works on them.

create table annotation_queues (
    project_id text not null,
    id text not null,
    name text not null,
    description text,
    score_config_ids text[] not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (project_id, id)
);
create unique index annotation_queues_by_name on annotation_queues (project_id, name);
create index annotation_queues_by_time on annotation_queues (project_id, created_at desc, id desc);

create table annotation_queue_items (
    project_id text not null,
    queue_id text not null,
    id text not null,
    object_id text not null,
    object_type text not null check (object_type in ('TRACE', 'OBSERVATION', 'SESSION')),
    status text not null check (status in ('PENDING', 'COMPLETED')),
    completed_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (project_id, queue_id, id)
);
create index annotation_queue_items_by_time on annotation_queue_items (project_id, queue_id, created_at desc, id desc);

create table annotation_queue_assignments (
    project_id text not null,
    queue_id text not null,
    user_id text not null,
    created_at timestamptz not null default now(),
    primary key (project_id, queue_id, user_id)
);

create table comments (
    project_id text not null,
    id text not null,
    object_type text not null check (object_type in ('TRACE', 'OBSERVATION', 'SESSION', 'PROMPT')),
    object_id text not null,
    content text not null,
    author_user_id text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (project_id, id)
);
create index comments_by_time on comments (project_id, created_at desc, id desc);
create index comments_by_object on comments (project_id, object_type, object_id, created_at desc);

-- The stream: what the partition count is, and how far each raw partition is applied.

create table streams (
    name text primary key,
    partitions integer not null check (partitions > 0),
    created_at timestamptz not null default now()
);

create table stream_progress (
    partition integer primary key,
    epoch bigint not null default 0,
    owner uuid,
    applied_origin bigint not null default -1,
    applied_fingerprint bytea,
    applied_received_at timestamptz,
    position bigint not null default 0,
    halted_reason text,
    updated_at timestamptz not null default now()
);

create table stream_commands (
    id bigint generated always as identity primary key,
    partition integer not null,
    command text not null,
    operator text not null,
    reason text not null,
    applied_origin_before bigint not null,
    applied_origin_after bigint not null,
    created_at timestamptz not null default now()
);

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

create table event_counts (
    project_id text not null,
    partition integer not null,
    accepted bigint not null default 0,
    applied bigint not null default 0,
    dead_lettered bigint not null default 0,
    last_applied_origin bigint not null default -1,
    primary key (project_id, partition)
);

-- The standing audit: how far the auditor has counted each raw partition, and what it counted. Only the auditor writes here.

-- Up to `base_origin` the counts were taken over from event_counts, because the log no longer had those records. `command_id`: the last
-- operator's command before that.
create table audit_progress (
    partition integer primary key,
    counted_origin bigint not null,
    base_origin bigint not null,
    command_id bigint not null default 0,
    verified_at timestamptz
);

-- Events by the raw records' headers, up to `counted_origin`.
create table audit_counts (
    project_id text not null,
    partition integer not null,
    accepted bigint not null default 0,
    given_up bigint not null default 0,
    primary key (project_id, partition)
);

-- How far a walk over all money is: one row for each walk. What lies before (reached_project, reached_at) of its law is done.
create table audit_walks (
    name text primary key,
    reached_project text,
    reached_law integer not null default 0,
    reached_at timestamptz,
    completed_at timestamptz
);

-- What is observed. `stamps` holds, for each field, the stamp of the event that won it (see tailrace.core.merge).

create table traces (
    project_id text not null,
    id text not null,
    partition integer not null,
    timestamp timestamptz not null,
    name text,
    user_id text,
    session_id text,
    release text,
    version text,
    environment text not null default 'default',
    public boolean not null default false,
    bookmarked boolean not null default false,
    tags text[] not null default '{}',
    external_id text,
    observation_count bigint not null default 0,
    error_count bigint not null default 0,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    total_tokens bigint not null default 0,
    total_cost numeric,
    first_start timestamptz,
    last_end timestamptz,
    root_ended boolean not null default false,
    ended_roots bigint not null default 0,
    amended boolean not null default false,
    days date[] not null default '{}',
    contributions jsonb not null default '[]',
    warnings text[] not null default '{}',
    stamps jsonb not null,
    last_received_at timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project_id, id)
);
create index traces_by_time on traces (project_id, timestamp desc, id desc);
create index traces_by_user on traces (project_id, user_id, timestamp desc) where user_id is not null;
create index traces_by_session on traces (project_id, session_id, timestamp desc) where session_id is not null;
create index traces_by_name on traces (project_id, left(name, 300), timestamp desc);
create index traces_by_tags on traces using gin (tags);

create table trace_bodies (
    project_id text not null,
    trace_id text not null,
    input text,
    output text,
    metadata jsonb,
    primary key (project_id, trace_id)
);

create table observations (
    project_id text not null,
    day date not null,
    trace_id text not null,
    id text not null,
    partition integer not null,
    type text not null,
    name text,
    parent_observation_id text,
    start_time timestamptz not null,
    end_time timestamptz,
    completion_start_time timestamptz,
    environment text not null default 'default',
    level text not null default 'DEFAULT',
    status_message text,
    version text,
    is_root boolean not null default false,
    is_app_root boolean not null default false,
    model text,
    model_id text,
    model_parameters jsonb,
    usage_details jsonb not null default '{}',
    provided_cost_details jsonb,
    cost_details jsonb not null default '{}',
    unit text,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    total_tokens bigint not null default 0,
    total_cost numeric,
    input_price numeric,
    output_price numeric,
    price_version text,
    pricing_tier text,
    counted boolean not null default true,
    prompt_name text,
    prompt_version integer,
    warnings text[] not null default '{}',
    stamps jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- What its span says of the experiment that it is part of. `experiment`: JSON text of what only an item's root observation tells.
    experiment_id text,
    experiment_name text,
    experiment_dataset_id text,
    experiment_item_id text,
    experiment text,
    primary key (project_id, trace_id, id, day)
) partition by range (day);
create index observations_by_time on observations (project_id, start_time desc, id desc);
create index observations_by_id on observations (project_id, id);
create index observations_by_type on observations (project_id, type, start_time desc, id desc);
-- Observations of models that nobody knows a price for.
create index observations_unknown_model on observations (project_id, start_time)
    where model is not null and model_id is null and total_cost is null and counted;
create index observations_of_experiments on observations (project_id, start_time desc, id desc, trace_id desc) where experiment is not null;
create index observations_by_experiment on observations (project_id, experiment_id, start_time) where experiment is not null;
create index observations_by_experiment_dataset on observations (project_id, experiment_dataset_id)
    where experiment is not null and experiment_dataset_id is not null;
-- Observations of a prompt. Names of prompts have at most 255 characters; what senders name may be of any length.
create index observations_by_prompt on observations (project_id, left(prompt_name, 300), prompt_version, start_time)
    where prompt_name is not null;
create table observations_default partition of observations default;

create table observation_bodies (
    project_id text not null,
    day date not null,
    trace_id text not null,
    id text not null,
    input text,
    output text,
    metadata jsonb,
    primary key (project_id, trace_id, id, day)
) partition by range (day);
create table observation_bodies_default partition of observation_bodies default;

-- Bodies are most of what is stored, and compressing them by pglz takes more of the CPU than all else that is done with a row: lz4 takes
-- a tenth of that. A server that is built without it keeps them as they are.
do $$
declare
    target regclass;
    way text := case when exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals))
        then 'compression lz4' else 'storage external' end;
begin
    for target in
        select inhrelid::regclass from pg_inherits where inhparent = 'observation_bodies'::regclass
        union all values ('observation_bodies'::regclass), ('trace_bodies'::regclass)
    loop
        execute format('alter table %1$s alter input set %2$s, alter output set %2$s, alter metadata set %2$s', target, way);
    end loop;
end
$$;

create table scores (
    project_id text not null,
    id text not null,
    partition integer not null,
    timestamp timestamptz not null,
    name text not null,
    data_type text not null,
    value double precision not null,
    string_value text,
    long_string_value text,
    source text not null default 'API',
    comment text,
    metadata jsonb,
    trace_id text,
    observation_id text,
    session_id text,
    dataset_run_id text,
    environment text not null default 'default',
    config_id text,
    queue_id text,
    author_user_id text,
    stamps jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    -- A deleted score stays as a row without content, so that no later event of its id brings it back.
    deleted boolean not null default false,
    primary key (project_id, id)
);
create index scores_by_time on scores (project_id, timestamp desc, id desc);
create index scores_by_trace on scores (project_id, trace_id) where trace_id is not null;
create index scores_by_session on scores (project_id, session_id) where session_id is not null;
create index scores_by_dataset_run on scores (project_id, dataset_run_id, timestamp desc) where dataset_run_id is not null;

-- Shared by partitions: one row for each, combined on read.

create table sessions (
    project_id text not null,
    id text not null,
    partition integer not null,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    environment text not null default 'default',
    primary key (project_id, id, partition)
);
create index sessions_by_time on sessions (project_id, created_at desc, id desc);

create table users (
    project_id text not null,
    id text not null,
    partition integer not null,
    first_seen_at timestamptz not null,
    last_seen_at timestamptz not null,
    primary key (project_id, id, partition)
);

-- A cost part: what one partition knows of (project, user, model, bucket). A window is the sum of its parts.
-- user_id null: no user. model null: figures of the trace itself and of observations without a model.
create table cost_parts (
    project_id text not null,
    user_id text,
    model text,
    bucket text not null check (bucket in ('minute', 'hour', 'day')),
    bucket_start timestamptz not null,
    partition integer not null,
    cost numeric not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    total_tokens bigint not null,
    generations bigint not null,
    errors bigint not null,
    traces bigint not null,
    epoch bigint not null,
    origin bigint not null,
    constraint cost_parts_key unique nulls not distinct (project_id, bucket, bucket_start, user_id, model, partition)
);
create index cost_parts_by_user on cost_parts (project_id, user_id, bucket, bucket_start);

-- Datasets: what projects write through the API, and the query service alone. JSON is kept as the text that it was sent as.
create table datasets (
    project_id text not null,
    id text not null,
    name text not null,
    description text,
    metadata text,
    input_schema text,
    expected_output_schema text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project_id, id)
);
create unique index datasets_by_name on datasets (project_id, name);
create index datasets_by_time on datasets (project_id, created_at desc, id desc);

-- Every state that an item has had, from `valid_from` to before `valid_to`; null for the state that it has now. A deleted item has none.
create table dataset_items (
    project_id text not null,
    id text not null,
    dataset_id text not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    status text not null check (status in ('ACTIVE', 'ARCHIVED')),
    input text,
    expected_output text,
    metadata text,
    source_trace_id text,
    source_observation_id text,
    created_at timestamptz not null,
    primary key (project_id, id, valid_from)
);
create unique index dataset_items_now on dataset_items (project_id, id) where valid_to is null;
create index dataset_items_by_dataset on dataset_items (project_id, dataset_id, created_at desc, id desc);
create index dataset_items_by_source on dataset_items (project_id, source_trace_id) where source_trace_id is not null;

-- Runs that were told by a call; what spans tell of runs is in observations, and both are combined on read.
create table dataset_runs (
    project_id text not null,
    id text not null,
    dataset_id text not null,
    name text not null,
    description text,
    metadata text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project_id, id)
);
create unique index dataset_runs_by_name on dataset_runs (project_id, dataset_id, name);

create table dataset_run_items (
    project_id text not null,
    id text not null,
    run_id text not null,
    dataset_item_id text not null,
    trace_id text not null,
    observation_id text,
    dataset_version timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project_id, id)
);
create index dataset_run_items_by_run on dataset_run_items (project_id, run_id, created_at desc, id desc);

-- What was received of a run's spans up to `deleted_at` belongs to it no more; the observations themselves stay.
create table deleted_dataset_runs (
    project_id text not null,
    run_id text not null,
    deleted_at timestamptz not null,
    primary key (project_id, run_id)
);

create table dead_letters (
    project_id text not null,
    partition integer not null,
    origin bigint not null,
    sequence integer not null,
    reason text not null,
    detail text not null,
    entity text,
    content_kind text not null,
    payload bytea not null,
    received_at timestamptz not null,
    created_at timestamptz not null default now(),
    replayed_at timestamptz,
    primary key (project_id, partition, origin, sequence)
);
create index dead_letters_by_time on dead_letters (project_id, created_at desc);
create index dead_letters_of_ours on dead_letters (partition, origin)
    where reason in ('internal_error', 'refused_by_postgres');
