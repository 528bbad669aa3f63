//! A Postgres that counts as another machine's: it has a name, and speaks TLS.

use fleet::store::{PostgresOptions, PostgresStore};
use fleet::testing::cluster::Cluster;

use crate::authority::Identity;
use crate::patience::until;

/// What it is called; no such host is asked for, because `hostaddr` stands beside it.
pub const HOST: &str = "db.internal";

/// A server of the test's own.
#[derive(Debug)]
pub struct Remote {
    cluster: Cluster,
    admin: PostgresStore,
}

impl Remote {
    /// Starts one that speaks no TLS yet.
    pub async fn start() -> Self {
        let cluster = Cluster::start().await.expect("a cluster can be started");
        let options = PostgresOptions {
            pool_size: 1,
            ..PostgresOptions::default()
        };
        let admin = PostgresStore::connect(&cluster.url(), options);
        Self {
            admin: admin.expect("a cluster has a legal address"),
            cluster,
        }
    }

    /// Returns its address on this machine, in the clear.
    pub fn local_url(&self) -> String {
        self.cluster.url()
    }

    /// Returns its address as of another machine, with these parameters.
    pub fn url(&self, parameters: &str) -> String {
        let url = self.local_url().replace("127.0.0.1", HOST);
        format!("{url}?hostaddr=127.0.0.1{parameters}")
    }

    /// Returns its password.
    pub fn password(&self) -> String {
        let url = self.local_url();
        let (_, rest) = url.split_once("fleet:").expect("it names a user");
        let (password, _) = rest.split_once('@').expect("it has a password");
        password.to_owned()
    }

    /// Gives it a certificate, and waits until it shows it.
    pub async fn show(&self, identity: &Identity) {
        for (file, content) in [
            ("server.crt", &identity.certificate),
            ("server.key", &identity.key),
        ] {
            // Written by the server itself, which insists on owning its key.
            let program = format!("umask 077; cat > {file}.new; mv {file}.new {file}");
            for line in [
                "create temp table if not exists pem (n int, line text)".to_owned(),
                "truncate pem".to_owned(),
                format!(
                    "insert into pem select n, line from
                     unnest(string_to_array('{content}', E'\\n')) with ordinality as t (line, n)"
                ),
                format!("copy (select line from pem order by n) to program '{program}'"),
            ] {
                self.run(&line).await;
            }
        }
        self.run("alter system set ssl = on").await;
        let loaded = "select pg_conf_load_time()::text";
        let before = self.ask(loaded).await;
        self.run("select pg_reload_conf()").await;
        // The postmaster reads the configuration, then the certificate; later connections have it.
        until("the server has its new certificate", || async {
            (self.ask_anew(loaded).await != before).then_some(())
        })
        .await;
    }

    async fn run(&self, statement: &str) {
        let ran = self.admin.query(statement, &[]).await;
        ran.expect("the statement runs");
    }

    async fn ask(&self, question: &str) -> String {
        let rows = self.admin.query(question, &[]).await.expect("it answers");
        rows[0].get(0)
    }

    /// Asks on a connection that was made just now.
    async fn ask_anew(&self, question: &str) -> String {
        let store = PostgresStore::connect(&self.local_url(), PostgresOptions::default());
        let store = store.expect("a cluster has a legal address");
        let rows = store.query(question, &[]).await.expect("it answers");
        rows[0].get(0)
    }
}
