-- What may happen to an order beside its normal course. All of it is null or empty for most orders.

-- +goose Up
alter table orders
    add column checkout_id    text, -- names the content of a basket; what is checked out twice is one order
    add column coupon         text,
    add column tax_rate       integer not null default 0, -- basis points
    add column attention      text not null default '', -- why a person has to look
    add column invoice_number text constraint orders_invoice_number unique,
    add column shipment       jsonb,
    add column refunds        jsonb,
    add column returns        jsonb,
    add column notes          jsonb;
create unique index orders_checkout on orders (customer_id, checkout_id);
create index orders_attention on orders (id) where attention <> '';
create index orders_email on orders (lower(email), id); -- for the staff

-- The last invoice number given in a year. It is raised in the transaction that gives it, so that there are no gaps.
create table invoice_numbers (
    year integer primary key,
    last bigint  not null
);

-- Where to find a return across orders; what it is stands in its order.
create table returns (
    id       uuid primary key, -- UUIDv7: sorts by age
    order_id uuid not null references orders,
    status   text not null
);
create index returns_status on returns (status, id);

-- The row of a coupon is locked while an order that uses it is placed, so that its limits hold.
create table coupons (
    code                  text primary key,
    description           text        not null,
    kind                  text        not null check (kind in ('percent', 'amount', 'free-shipping')),
    percent_basis_points  bigint      not null default 0 check (percent_basis_points between 0 and 10000),
    amounts               jsonb, -- minor units by currency
    minimum               jsonb,
    valid_from            timestamptz,
    valid_until           timestamptz,
    max_uses              integer     not null default 0,
    max_uses_per_customer integer     not null default 0,
    active                boolean     not null,
    uses                  integer     not null default 0 check (uses >= 0),
    created_at            timestamptz not null default now(),
    changed_at            timestamptz not null default now()
);
create table coupon_uses (
    order_id uuid primary key references orders,
    code     text not null references coupons on delete cascade
);
create index coupon_uses_code on coupon_uses (code);
