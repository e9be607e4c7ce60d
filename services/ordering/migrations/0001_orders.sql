-- One row is one order: whatever happens to it is one read under the row's lock and one write. What is asked for across
-- orders has a column; what only the order itself reads is JSON.

-- +goose Up
create table orders (
    id              uuid primary key, -- UUIDv7: sorts by age
    number          text        not null constraint orders_number unique,
    customer_id     text        not null,
    basket_id       text        not null,
    status          text        not null,
    placed_at       timestamptz not null,
    due_at          timestamptz, -- when to stop waiting; null if the order waits for nobody
    currency        text        not null,
    subtotal        bigint      not null, -- sums in minor units of the currency
    discount        bigint      not null,
    shipping        bigint      not null,
    tax             bigint      not null,
    total           bigint      not null,
    shipping_method text        not null,
    email           text        not null,
    address         jsonb       not null,
    lines           jsonb       not null,
    payment         jsonb       not null,
    timeline        jsonb       not null
);
create index orders_of_customer on orders (customer_id, id);
create index orders_due on orders (due_at) where due_at is not null;
