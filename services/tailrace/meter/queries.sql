-- name: load_parts
-- The stored parts of windows, of all partitions, each with its version. A null user or model is a window of its own.
select p.partition, p.epoch, p.origin, p.project_id, p.user_id, p.model, p.bucket, p.bucket_start, p.cost,
       p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    as wanted (project_id, user_id, model, bucket, bucket_start)
join cost_parts p on p.project_id = wanted.project_id and p.bucket = wanted.bucket and p.bucket_start = wanted.bucket_start
    and p.user_id = wanted.user_id and p.model is not distinct from wanted.model
union all
select p.partition, p.epoch, p.origin, p.project_id, p.user_id, p.model, p.bucket, p.bucket_start, p.cost,
       p.input_tokens, p.output_tokens, p.total_tokens, p.generations, p.errors, p.traces
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    as wanted (project_id, user_id, model, bucket, bucket_start)
join cost_parts p on p.project_id = wanted.project_id and p.bucket = wanted.bucket and p.bucket_start = wanted.bucket_start
    and p.user_id is null and wanted.user_id is null and p.model is not distinct from wanted.model

-- name: read_applied
-- How far each raw partition is applied, and by which epoch.
select partition, epoch, applied_origin from stream_progress
