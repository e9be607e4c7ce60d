-- +goose Up
-- Every order of a popular SKU updates the same row: the spare room keeps its versions on one page, without index work.
create table stock (
    sku      text   primary key,
    on_hand  bigint not null check (on_hand >= 0),
    reserved bigint not null default 0 check (reserved >= 0 and reserved <= on_hand)
) with (fillfactor = 50);

-- One row per order that inventory has heard of, in whatever order it heard. skus and quantities run in parallel, sorted
-- by SKU; they are empty while order-placed has not come.
create table reservations (
    order_id   uuid        primary key,
    state      text        not null check (state in ('new', 'held', 'rejected', 'expired', 'committed', 'owed', 'released')),
    skus       text[]      not null,
    quantities bigint[]    not null check (cardinality(quantities) = cardinality(skus)),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);
create index reservations_held on reservations (expires_at) where state = 'held';

-- The ledger: every change of stock.on_hand, so that on_hand is the sum of a SKU's changes.
create table movements (
    id     bigint generated always as identity primary key,
    sku    text        not null references stock,
    change bigint      not null check (change <> 0),
    reason text        not null check (reason in ('sold', 'cancelled', 'stocktake')),
    ref    text        not null, -- the order, or who counted
    at     timestamptz not null default now()
);
create index movements_sku on movements (sku);
