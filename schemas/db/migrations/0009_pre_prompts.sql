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

-- Observations of a prompt. Names of prompts have at most 255 characters; what senders name may be of any length.
create index observations_by_prompt on observations (project_id, left(prompt_name, 300), prompt_version, start_time)
    where prompt_name is not null;
