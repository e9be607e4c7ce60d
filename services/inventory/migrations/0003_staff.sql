-- +goose Up
-- threshold is at or below which a SKU is low. version grows when the staff changes a SKU, and when its last free piece goes
-- or a first one comes. Neither has an index: the row of a popular SKU stays on its page.
alter table stock
    add column threshold bigint not null default 5 check (threshold >= 0),
    add column version bigint not null default 1;

-- made_by is the member of staff who changed the count, with what they noted; '' for what orders did.
alter table movements
    add column made_by text not null default '',
    add column note text not null default '';
alter table movements drop constraint movements_reason_check;
alter table movements add constraint movements_reason_check check (reason in
    ('sold', 'cancelled', 'returned', 'stocktake', 'received', 'damaged', 'lost', 'found', 'correction'));
drop index movements_sku;
create index movements_sku on movements (sku, id);

-- Orders that are paid, and not in stock: few, or none.
create index reservations_owed on reservations (changed_at) where state = 'owed';

-- What the last comparison of the counts with the ledger has found.
create table audits (
    only_one   boolean     primary key default true check (only_one),
    checked_at timestamptz not null,
    skus       bigint      not null,
    movements  bigint      not null,
    wrong      jsonb       not null
);
