-- The edge's one question to Postgres; keys are asked for by tailrace.runtime.keys.

-- name: find_raw_partitions
select partitions from streams where name = 'raw'
