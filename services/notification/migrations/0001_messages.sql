-- +goose Up

-- One row per mail owed. It says what to write about and to whom, by id: neither the address, nor the text, nor the
-- token of a link is kept here.
create table messages (
    id           text primary key,
    event_id     text        not null,
    template     text        not null,
    recipient    text        not null, -- account or customer id
    about        text        not null, -- verification request or order id
    state        text        not null default 'waiting' check (state in ('waiting', 'sent', 'dropped', 'failed')),
    reason       text        not null default '',
    message_id   text        not null default '', -- at SES
    trace        text        not null default '',
    tries        integer     not null default 0,
    expires_at   timestamptz not null,
    due_at       timestamptz,
    leased_until timestamptz,
    created_at   timestamptz not null default now(),
    sent_at      timestamptz,
    unique (event_id, template, recipient)
);
create index messages_due on messages (due_at) where due_at is not null;
