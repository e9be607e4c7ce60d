-- +goose Up
-- Who commits facts hands them to its relay in memory; nobody has to be notified.
drop trigger outbox_notify on outbox;
drop function outbox_notify;
