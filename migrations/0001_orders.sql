-- Orders as they were placed. A migration that was released is never edited;
-- the schema grows first and shrinks a release later.

create schema if not exists orders;

create table if not exists orders.orders (
    order_id    text primary key,
    -- Absent where the order names no customer; billing judges that, not the door.
    customer_id text,
    currency    text not null,
    placed_at   timestamptz not null,
    -- True for a document that takes back an earlier order.
    cancelled   boolean not null,
    -- The order as it was published, to tell the same order from another one
    -- under its id. json keeps the text as it was written; nothing searches it.
    content     json not null,
    created_at  timestamptz not null default now()
);
