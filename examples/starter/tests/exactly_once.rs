//! The whole program against a database of its own: what is sent twice is done once.

mod program;

use fleet::store::{PostgresOptions, PostgresStore};
use fleet::testing::database::TestDatabase;
use program::Program;

const SCAN: &str = r#"{"parcel_id":"P-1","depot":"Hamburg","scan":"s-1"}"#;
const NEXT_SCAN: &str = r#"{"parcel_id":"P-1","depot":"Lyon","scan":"s-2"}"#;
const NO_PARCEL: &str = r#"{"parcel_id":"","depot":"Lyon","scan":"s-3"}"#;

#[tokio::test]
async fn a_scan_that_is_delivered_twice_counts_once() {
    let database = TestDatabase::empty().await.unwrap();
    let mut program = Program::start(database.url());

    program.enqueue(SCAN);
    assert_eq!(program.next_outcome(), "processed");
    program.enqueue(SCAN);
    assert_eq!(program.next_outcome(), "duplicate");
    assert_eq!(parcel(&database).await, ("Hamburg".to_owned(), 1));

    program.enqueue(NEXT_SCAN);
    assert_eq!(program.next_outcome(), "processed");
    assert_eq!(parcel(&database).await, ("Lyon".to_owned(), 2));

    program.enqueue(NO_PARCEL);
    assert_eq!(program.next_outcome(), "rejected");
    assert!(program.end().success());
    assert_eq!(dead(&database).await, ["no parcel id"]);
}

/// Returns where parcel P-1 is and how often it was scanned.
async fn parcel(database: &TestDatabase) -> (String, i64) {
    let sql = "select last_depot, scans from parcels.parcels where parcel_id = 'P-1'";
    let rows = store(database).query(sql, &[]).await;
    let rows = rows.expect("the table is there and the database answers");
    (rows[0].get("last_depot"), rows[0].get("scans"))
}

/// Returns the reasons for which events were dead-lettered.
async fn dead(database: &TestDatabase) -> Vec<String> {
    let letters = store(database).count_dead().await;
    let letters = letters.expect("the database answers");
    letters.into_iter().map(|letter| letter.reason).collect()
}

fn store(database: &TestDatabase) -> PostgresStore {
    PostgresStore::connect(database.url(), PostgresOptions::default())
        .expect("a test database has a legal address")
}
