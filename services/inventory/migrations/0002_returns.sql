-- +goose Up
alter table movements drop constraint movements_reason_check;
alter table movements add constraint movements_reason_check check (reason in ('sold', 'cancelled', 'returned', 'stocktake'));
-- A return is put back once, by whatever way it is heard of.
create unique index movements_returned on movements (ref, sku) where reason = 'returned';
