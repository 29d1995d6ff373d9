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
