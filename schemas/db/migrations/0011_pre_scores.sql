-- A deleted score stays as a row without content, so that no later event of its id brings it back.
alter table scores add column deleted boolean not null default false;

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
