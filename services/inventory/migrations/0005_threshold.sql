-- +goose Up
-- A change of the threshold stands in the ledger, too, between the counts that it is judged by. It moves no piece.
alter table movements drop constraint movements_reason_check;
alter table movements add constraint movements_reason_check check (reason in
    ('sold', 'cancelled', 'returned', 'stocktake', 'received', 'damaged', 'lost', 'found', 'correction', 'threshold'));
alter table movements drop constraint movements_change_check;
alter table movements add constraint movements_change_check check ((change = 0) = (reason = 'threshold'));
