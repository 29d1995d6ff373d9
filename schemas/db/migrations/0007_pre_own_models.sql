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

-- Observations of models that nobody knows a price for.
create index observations_unknown_model on observations (project_id, start_time)
    where model is not null and model_id is null and total_cost is null and counted;
