-- +goose Up
alter table accounts add column erased_at timestamptz; -- nothing of the person is left in the row
