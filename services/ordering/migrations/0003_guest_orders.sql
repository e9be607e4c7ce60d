-- +goose Up
create index orders_of_guests on orders (lower(email)) where starts_with(customer_id, 'guest:');
