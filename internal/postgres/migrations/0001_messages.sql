-- The tables that every service with a database has, for internal/outbox and internal/idempotency.

-- +goose Up
create table outbox (
    id          uuid primary key,
    topic       text        not null,
    subject     text        not null,
    data        json        not null,
    traceparent text        not null default '',
    created_at  timestamptz not null default clock_timestamp(),
    -- The feed is read in the order (xid, seq): rows of transactions that are still open sort after every row of a
    -- transaction older than the oldest open one, so that a cursor never passes a row that appears later.
    xid         xid8        not null default pg_current_xact_id(),
    seq         bigint generated always as identity,
    sent_at     timestamptz
);
create index outbox_unsent on outbox (seq) where sent_at is null;
create index outbox_feed on outbox (xid, seq);

-- +goose StatementBegin
create function outbox_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('outbox', '');
    return null;
end
$$;
-- +goose StatementEnd
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();

create table inbox (
    consumer   text        not null,
    event_id   text        not null,
    applied_at timestamptz not null default now(),
    primary key (consumer, event_id)
);
create index inbox_age on inbox (applied_at);

create table catchup (
    producer text primary key,
    cursor   text not null
);

-- Deliveries that failed: with dead_at set they are not tried again until somebody replays them.
create table dead_letters (
    consumer  text        not null,
    event_id  text        not null,
    topic     text        not null,
    envelope  json        not null,
    error     text        not null,
    attempts  int         not null default 1,
    failed_at timestamptz not null default now(),
    dead_at   timestamptz,
    primary key (consumer, event_id)
);

create table idempotency_keys (
    scope      text        not null,
    key        text        not null,
    body_hash  bytea       not null,
    status     int,
    answer     json,
    created_at timestamptz not null default now(),
    primary key (scope, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);
