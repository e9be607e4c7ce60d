-- +goose Up

-- How each SKU stands, as far as we heard: waiting, while it is back and those who wish for it are still to be told. after is
-- the last of them for whom a mail is owed.
create table restocks (
    sku          text primary key,
    version      bigint      not null, -- the highest heard of
    event_id     text        not null,
    back_at      timestamptz not null,
    waiting      boolean     not null,
    after        text        not null default '',
    trace        text        not null default '',
    leased_until timestamptz
);
create index restocks_waiting on restocks (back_at) where waiting;

-- What ran low, and the mail to the operators that tells it.
create table low_stock (
    sku        text primary key,
    threshold  bigint      not null,
    message_id text        not null,
    noted_at   timestamptz not null default now()
);
create index low_stock_message on low_stock (message_id);
