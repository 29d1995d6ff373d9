-- Schema

-- name: create_schema_migrations
create table if not exists schema_migrations (
    version integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)

-- name: has_schema_migrations
select to_regclass('schema_migrations') is not null

-- name: has_partitioned_tables
select to_regclass('observations') is not null and to_regclass('observation_bodies') is not null

-- name: list_migrations
select version, name, checksum from schema_migrations order by version

-- name: record_migration
insert into schema_migrations (version, name, checksum) values ($1, $2, $3)

-- name: find_stream_partitions
select partitions from streams where name = 'raw'

-- name: fix_stream_partitions
-- The first one that asks fixes the count; others wait for its commit and read it.
insert into streams (name, partitions) values ('raw', $1) on conflict (name) do nothing

-- name: add_progress
insert into stream_progress (partition) select generate_series(0, $1::integer - 1) on conflict (partition) do nothing

-- Tenants

-- name: add_organization
insert into organizations (id, name) values ($1, $2) on conflict (id) do nothing

-- name: add_project
insert into projects (project_id, organization_id, name, retention_days) values ($1, $2, $3, $4)
on conflict (project_id) do nothing

-- name: find_project
select organization_id, suspended_at from projects where project_id = $1

-- name: suspend_project
update projects set suspended_at = coalesce(suspended_at, now()) where project_id = $1

-- name: resume_project
update projects set suspended_at = null where project_id = $1

-- name: list_projects
select o.id as organization, o.name as organization_name, p.project_id as project, p.name as project_name,
       p.retention_days, p.suspended_at, p.created_at,
       (select count(*) from api_keys k where k.project_id = p.project_id and k.revoked_at is null) as keys
from organizations o left join projects p on p.organization_id = o.id
order by o.id, p.project_id

-- name: find_key
select project_id, secret_salt, secret_hash, revoked_at from api_keys where public_key = $1

-- name: add_key
insert into api_keys (id, project_id, public_key, secret_salt, secret_hash, display_secret_key, note)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (public_key) do nothing

-- name: replace_secret
update api_keys set secret_salt = $2, secret_hash = $3, display_secret_key = $4 where public_key = $1

-- name: revoke_key
update api_keys set revoked_at = now() where public_key = $1 and revoked_at is null

-- name: list_keys
select k.public_key, k.display_secret_key, k.project_id as project, k.note, k.created_at, k.revoked_at
from api_keys k
where $1::text is null or k.project_id = $1
order by k.project_id, k.created_at, k.public_key
