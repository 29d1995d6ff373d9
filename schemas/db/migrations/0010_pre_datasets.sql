-- What a span says of the experiment that it is part of. `experiment`: JSON text of what only an item's root observation tells.
alter table observations
    add column experiment_id text,
    add column experiment_name text,
    add column experiment_dataset_id text,
    add column experiment_item_id text,
    add column experiment text;
create index observations_of_experiments on observations (project_id, start_time desc, id desc, trace_id desc) where experiment is not null;
create index observations_by_experiment on observations (project_id, experiment_id, start_time) where experiment is not null;
create index observations_by_experiment_dataset on observations (project_id, experiment_dataset_id)
    where experiment is not null and experiment_dataset_id is not null;
create index scores_by_dataset_run on scores (project_id, dataset_run_id, timestamp desc) where dataset_run_id is not null;

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
