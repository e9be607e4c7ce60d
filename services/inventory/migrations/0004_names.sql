-- +goose Up
-- The name that made_by had then, for people who read the ledger.
alter table movements add column made_by_name text not null default '';
