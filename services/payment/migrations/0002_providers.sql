-- +goose Up

-- PayPal has one method, which is the customer's account there.
alter table attempts drop constraint attempts_method_check, add constraint attempts_method_check
    check (method in ('', 'paypal') or (method ~ '^pm_[A-Za-z0-9_]+$' and method !~ '[0-9]{12}'));

-- Providers speak of a disputed payment by their own reference.
create index attempts_reference on attempts (reference) where reference <> '';

-- Customers who asked their bank, or PayPal, for the money of an order. A dispute may be heard of before the answer to
-- the charge is: until then it belongs to no order.
create table disputes (
    provider   text        not null,
    id         text        not null, -- the provider's
    reference  text        not null,
    order_id   text        not null default '',
    payment_id text        not null default '',
    amount     bigint      not null,
    currency   text        not null check (currency ~ '^[A-Z]{3}$'),
    state      text        not null check (state in ('open', 'won', 'lost')),
    reason     text        not null,
    opened_at  timestamptz not null,
    changed_at timestamptz not null default now(),
    primary key (provider, id)
);
create index disputes_opened on disputes (opened_at, id);
create index disputes_of_no_order on disputes (reference) where order_id = '';
