-- What a project may write: null is the installation's default, 0 no limit. The edges hear of a change as of any change to a project.
alter table projects
    add column quota_events_per_second integer check (quota_events_per_second >= 0),
    add column quota_bytes_per_second bigint check (quota_bytes_per_second >= 0),
    add column quota_max_body_bytes bigint check (quota_max_body_bytes > 0);

-- What each living edge took lately, by project, so that edges divide a quota by demand. Worth nothing after a crash, so not logged.
create unlogged table edges (
    id uuid primary key,
    demand jsonb not null,
    seen_at timestamptz not null default now()
);
