-- What failed for a fault of our own among a partition's last records, and whose events were applied meanwhile: too much of it, and
-- the partition stands still. A sink of the release before leaves the new column as it is.
alter table event_counts add column last_applied_origin bigint not null default -1;

create index dead_letters_of_ours on dead_letters (partition, origin)
    where reason in ('internal_error', 'refused_by_postgres');
