-- A delivery may absorb further receives of its message: their receipts are handed over to it.
-- Its row explains them all. Rows of the release before have none, and explain their own.
alter table {schema}.attempts add column receive_last integer;
