create schema ledger;

-- Without any unique constraint: what is booked twice stands here twice.
create table ledger.entries (
    event_id text not null,
    from_account int not null,
    to_account int not null,
    amount bigint not null,
    at timestamptz not null default clock_timestamp()
);

create table ledger.accounts (
    id int primary key,
    balance bigint not null default 0
) with (fillfactor = 50);

insert into ledger.accounts (id) select generate_series(0, 999);
