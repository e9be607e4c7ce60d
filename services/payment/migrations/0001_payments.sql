-- +goose Up

-- The money of one order. Its row is the lock under which everything about that order's money changes; it also
-- remembers that an order was closed before its payment was requested.
create table payments (
    order_id   text primary key,
    closed     boolean     not null default false,
    created_at timestamptz not null default now()
);

create table attempts (
    id              text primary key,
    order_id        text        not null references payments,
    number          integer     not null check (number > 0),
    provider        text        not null,
    -- a provider's reference to a payment method; a card number cannot be stored
    method          text        not null check (method = '' or (method ~ '^pm_[A-Za-z0-9_]+$' and method !~ '[0-9]{12}')),
    return_url      text        not null,
    amount          bigint      not null check (amount > 0),
    currency        text        not null check (currency ~ '^[A-Z]{3}$'),
    idempotency_key text        not null unique,
    state           text        not null check (state in ('started', 'action_required', 'captured', 'failed', 'voided', 'stray')),
    reference       text        not null default '',
    redirect_url    text        not null default '',
    failure         text        not null default '',
    closing         boolean     not null default false,
    trace           text        not null default '',
    tries           integer     not null default 0,
    sent_at         timestamptz, -- when the provider was last asked to charge; null: it has never heard of this attempt
    first_sent_at   timestamptz,
    due_at          timestamptz, -- null: nothing left to ask
    leased_until    timestamptz,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now(),
    unique (order_id, number)
);
create unique index one_capture_per_order on attempts (order_id) where state = 'captured';
create index attempts_due on attempts (due_at) where due_at is not null;

create table refunds (
    id           text primary key,
    order_id     text        not null references payments,
    attempt_id   text        not null,
    reason       text        not null,
    amount       bigint      not null,
    currency     text        not null check (currency ~ '^[A-Z]{3}$'),
    state        text        not null check (state in ('requested', 'refunded', 'failed', 'refused')),
    reference    text        not null default '',
    failure      text        not null default '',
    silent       boolean     not null default false,
    trace        text        not null default '',
    tries        integer     not null default 0,
    due_at       timestamptz,
    leased_until timestamptz,
    created_at   timestamptz not null default now(),
    changed_at   timestamptz not null default now(),
    unique (attempt_id, reason)
);
create index refunds_order on refunds (order_id);
create index refunds_due on refunds (due_at) where due_at is not null;

-- What providers told us by webhook, each event once. Bodies are not kept: they may hold personal data.
create table webhooks (
    provider    text        not null,
    event_id    text        not null,
    type        text        not null,
    object_id   text        not null,
    order_id    text        not null default '',
    created_at  timestamptz not null,
    received_at timestamptz not null default now(),
    primary key (provider, event_id)
);
