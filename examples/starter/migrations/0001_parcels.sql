-- Where each parcel is, and how often it was scanned on its way.
create schema parcels;
create table parcels.parcels (
    parcel_id  text primary key,
    scans      bigint not null,
    last_depot text not null
);
