-- What billing has made of the orders. The order's id is the primary key: a
-- second event for the same order cannot charge the customer again.

create schema if not exists billing;

create table if not exists billing.invoices (
    order_id    text primary key,
    customer_id text not null,
    -- ISO 4217.
    currency    text not null,
    -- In minor units of the currency.
    total_minor bigint not null check (total_minor > 0),
    issued_at   timestamptz not null default now()
);

create table if not exists billing.credit_notes (
    order_id    text primary key,
    customer_id text not null,
    currency    text not null,
    -- What the customer gets back; positive, too.
    total_minor bigint not null check (total_minor > 0),
    issued_at   timestamptz not null default now()
);
