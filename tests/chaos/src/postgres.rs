//! The database under attack: a Postgres of its own, and a proxy that loses what it answered.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, anyhow};
use fleet::store::{MigrateOptions, Migrations, PostgresOptions, PostgresStore, migrate};
use fleet::testing::cluster::Cluster;
use tokio::sync::Mutex;

use crate::proxy::Proxy;
use crate::role;

/// How many connections the experiment itself has.
const POOL_SIZE: usize = 4;

/// A private cluster with all tables, behind a proxy.
#[derive(Debug)]
pub struct Postgres {
    /// `None` when it did not come back from a crash.
    cluster: Mutex<Option<Cluster>>,
    proxy: Proxy,
    url: String,
    direct_url: String,
    store: PostgresStore,
}

impl Postgres {
    /// Starts one and applies all migrations, as `migrate` of the program would.
    ///
    /// # Errors
    ///
    /// There is no Postgres on this machine, or it does not start.
    ///
    /// # Cancellation
    ///
    /// What was started ends.
    pub async fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start().await?;
        let direct_url = cluster.url();
        let sets = [Migrations::RUNTIME, crate::ledger::migrations()];
        let subscriptions = role::subscriptions();
        migrate(
            &direct_url,
            &MigrateOptions::default(),
            &sets,
            &subscriptions,
        )
        .await
        .context("cannot migrate the database")?;
        let port = cluster.port();
        let proxy = Proxy::before(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let url = direct_url.replacen(&format!("127.0.0.1:{port}"), &proxy.addr().to_string(), 1);
        let options = PostgresOptions {
            pool_size: POOL_SIZE,
            ..PostgresOptions::default()
        };
        let store = PostgresStore::connect(&direct_url, options)?;
        Ok(Self {
            cluster: Mutex::new(Some(cluster)),
            proxy,
            url,
            direct_url,
            store,
        })
    }

    /// Returns the address of the proxy, for the processes of the fleet.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address of Postgres itself, where nothing is lost but by a crash.
    pub fn direct_url(&self) -> &str {
        &self.direct_url
    }

    /// Returns a store at Postgres itself, which connects anew after a crash.
    pub fn store(&self) -> &PostgresStore {
        &self.store
    }

    /// Stops Postgres without a checkpoint and starts it again, at the same address; returns when it
    /// answers.
    ///
    /// # Errors
    ///
    /// It does not come back.
    ///
    /// # Cancellation
    ///
    /// It does not come back.
    pub async fn crash(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        let running = cluster.take();
        let running = running.ok_or_else(|| anyhow!("Postgres is gone since an earlier crash"))?;
        let crashed = running.crash().await?;
        *cluster = Some(crashed.restart().await?);
        // What it left of connections fails once, and is then replaced.
        for _ in 0..POOL_SIZE {
            if self.store.query("select 1", &[]).await.is_ok() {
                break;
            }
        }
        Ok(())
    }

    /// Makes the default of all sessions, also of those that exist: to refuse writes, as a server does
    /// that is no longer the primary.
    ///
    /// # Errors
    ///
    /// Postgres does not answer.
    ///
    /// # Cancellation
    ///
    /// It may be so or not.
    pub async fn turn(&self, access: Access) -> anyhow::Result<()> {
        let setting = match access {
            Access::ReadOnly => "on",
            Access::ReadWrite => "off",
        };
        let set = format!("alter system set default_transaction_read_only = {setting}");
        self.store.query(&set, &[]).await?;
        self.store.query("select pg_reload_conf()", &[]).await?;
        Ok(())
    }

    /// Loses the answers of this share of the commits from now on, 0 to 1, by dice of this seed: each is
    /// committed, and the connection ends instead of saying so.
    pub fn lose_commits(&self, rate: f64, seed: u64) {
        self.proxy.lose_commits(rate, seed);
    }

    /// Returns how many commits were made whose answer was lost.
    pub fn lost_commits(&self) -> u64 {
        self.proxy.lost_commits()
    }
}

/// What the server lets its sessions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading alone.
    ReadOnly,
    /// All.
    ReadWrite,
}

#[cfg(test)]
mod tests {
    use fleet::store::{Params, StoreErrorClass};
    use fleet_tests::patience::until;

    use super::*;

    const ENTER: &str = "insert into ledger.entries (event_id, from_account, to_account, amount)
                         values ($1, 1, 2, 3)";

    impl Postgres {
        /// Connects as a process of the fleet does.
        fn visitor(&self) -> PostgresStore {
            let options = PostgresOptions {
                pool_size: 2,
                ..PostgresOptions::default()
            };
            PostgresStore::connect(self.url(), options).expect("it has an address")
        }

        async fn entries(&self) -> i64 {
            let rows = self.store.query("select count(*) from ledger.entries", &[]);
            rows.await.expect("it answers")[0].get(0)
        }
    }

    async fn enter(store: &PostgresStore, id: &str) -> Result<(), StoreErrorClass> {
        let params: Params<'_> = &[&id];
        let entered = async {
            let transaction = store.begin().await?;
            transaction.execute(ENTER, params).await?;
            transaction.commit().await
        };
        entered.await.map_err(|error| error.class)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_whose_answer_is_lost_is_an_error_and_its_row_is_there() {
        let postgres = Postgres::start().await.expect("there is a Postgres");
        let visitor = postgres.visitor();
        enter(&visitor, "kept").await.expect("nothing is lost yet");
        postgres.lose_commits(1.0, 7);
        let lost = enter(&visitor, "lost").await;
        assert_eq!(lost, Err(StoreErrorClass::Unavailable));
        assert_eq!((postgres.entries().await, postgres.lost_commits()), (2, 1));

        postgres.lose_commits(0.0, 7);
        enter(&visitor, "kept, too")
            .await
            .expect("it connects anew");
        assert_eq!((postgres.entries().await, postgres.lost_commits()), (3, 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_seed_loses_the_same_commits() {
        let postgres = Postgres::start().await.expect("there is a Postgres");
        let mut told = Vec::new();
        for _ in 0..2 {
            postgres.lose_commits(0.5, 3);
            let mut lost = Vec::new();
            for nth in 0..20 {
                let visitor = postgres.visitor();
                lost.push(enter(&visitor, &nth.to_string()).await.is_err());
            }
            told.push(lost);
        }
        assert_eq!(told[0], told[1]);
        assert!(told[0].contains(&true) && told[0].contains(&false));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crash_ends_every_session_and_keeps_what_was_committed() {
        let postgres = Postgres::start().await.expect("there is a Postgres");
        let visitor = postgres.visitor();
        enter(&visitor, "before").await.expect("it answers");
        let open = visitor.begin().await.expect("it answers");
        open.execute(ENTER, &[&"never"]).await.expect("it answers");
        postgres.crash().await.expect("it comes back");
        open.commit().await.expect_err("the session is gone");
        assert_eq!(postgres.entries().await, 1);
        until("a process works again", || async {
            enter(&visitor, "after").await.ok()
        })
        .await;
        assert_eq!(postgres.entries().await, 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn sessions_that_exist_are_read_only_from_then_on_and_write_again_later() {
        let postgres = Postgres::start().await.expect("there is a Postgres");
        let visitor = postgres.visitor();
        enter(&visitor, "before").await.expect("it may write");
        postgres.turn(Access::ReadOnly).await.expect("it answers");
        until("writes are refused", || async {
            let refused = enter(&visitor, "in vain or just before").await.err()?;
            assert_eq!(refused, StoreErrorClass::Unavailable);
            Some(())
        })
        .await;
        postgres.turn(Access::ReadWrite).await.expect("it answers");
        until("writes are made", || async {
            enter(&visitor, "after").await.ok()
        })
        .await;
    }
}
