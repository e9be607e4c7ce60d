-- How many paid orders had one SKU and another. It names no order and nobody.

-- +goose Up
create table bought_together (
    sku    text   not null,
    other  text   not null,
    orders bigint not null,
    primary key (sku, other)
);

-- Up to which order-paid in the outbox orders are counted. Whoever counts holds the row.
create table bought_together_counted (
    single boolean primary key default true check (single),
    xid  bigint not null,
    seq  bigint not null
);
insert into bought_together_counted (xid, seq) values (0, 0);
