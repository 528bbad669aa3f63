//! `dlq stats`, `dlq ls` and `dlq group`.

use fleet::message::FailureClass;
use fleet_tests::mailbox::Mailbox;
use fleet_tests::site::Site;
use insta::assert_snapshot;
use sqs_local::MessageAttributes;

use crate::morgue::{Morgue, copy, failure, message, zoo};
use crate::normal::normal;

/// Runs a reading command on the zoo and returns what it wrote as data.
async fn read(arguments: &[&str]) -> String {
    let morgue = Morgue::with(&zoo()).await;
    let ended = morgue.site.run(arguments).await.with_code(0);
    assert!(
        ended
            .stderr
            .contains("looked at 11 of about 11 in billing-dlq"),
        "{}",
        ended.stderr
    );
    normal(&ended.stdout)
}

#[tokio::test]
async fn stats_count_what_is_there_by_class_and_type() {
    assert_snapshot!(read(&["dlq", "stats", "billing"]).await, @"
    queue             billing-dlq
    dead letters of   billing
    visible           11
    in flight         0
    oldest death      2020-05-01T08:00:00Z
    newest death      0000-00-00T00:00:00Z
    next expiry       0000-00-00T00:00:00Z
    expire in 3 days  0

    CLASS               TYPE             MESSAGES
    attempts_exhausted  order.placed            1
    crash_suspect       order.placed            1
    permanent           order.placed            4
    receives_exhausted  -                       1
    receives_exhausted  order.placed            2
    undecodable         -                       1
    unknown_type        order.placed.v9         1
    ");
}

#[tokio::test]
async fn a_consumer_may_be_called_by_its_queue_as_alerts_do() {
    let site = Site::new().await;
    let (_queue, dead) = Mailbox::pair(site.sqs(), "shop-billing").await;
    dead.send("{}", MessageAttributes::new()).await;
    let url = format!("{}/000000000000/shop-billing", site.endpoint());
    let site = site.with("BILLING_QUEUE_URL", &url);
    for name in ["billing", "shop-billing", "shop-billing-dlq"] {
        let ended = site.run(&["dlq", "stats", name]).await.with_code(0);
        let said: Vec<_> = ended.stdout.split_whitespace().take(6).collect();
        let expected = [
            "queue",
            "shop-billing-dlq",
            "dead",
            "letters",
            "of",
            "shop-billing",
        ];
        assert_eq!(said, expected, "{name}");
    }
}

#[tokio::test]
async fn stats_are_there_as_json() {
    assert_snapshot!(read(&["dlq", "stats", "billing-dlq", "--json"]).await, @r#"
    {
      "queue": "billing-dlq",
      "sources": [
        "billing"
      ],
      "visible": 11,
      "in_flight": 0,
      "retention_secs": 1209600,
      "looked_at": 11,
      "is_complete": true,
      "oldest_death": "2020-05-01T08:00:00Z",
      "newest_death": "0000-00-00T00:00:00Z",
      "next_expiry": "0000-00-00T00:00:00Z",
      "expire_soon": 0,
      "counts": [
        {
          "class": "attempts_exhausted",
          "event_type": "order.placed",
          "messages": 1
        },
        {
          "class": "crash_suspect",
          "event_type": "order.placed",
          "messages": 1
        },
        {
          "class": "permanent",
          "event_type": "order.placed",
          "messages": 4
        },
        {
          "class": "receives_exhausted",
          "event_type": null,
          "messages": 1
        },
        {
          "class": "receives_exhausted",
          "event_type": "order.placed",
          "messages": 2
        },
        {
          "class": "undecodable",
          "event_type": null,
          "messages": 1
        },
        {
          "class": "unknown_type",
          "event_type": "order.placed.v9",
          "messages": 1
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_list_has_a_row_an_event_and_counts_its_copies() {
    assert_snapshot!(read(&["dlq", "ls", "billing"]).await, @"
    ID                                    TYPE             REASON                                   ATTEMPTS  SENT                  DEAD                  EXPIRES IN  COPIES  TRACE
    1                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       2  -
    2                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -
    4                                     order.placed.v9  no handler for order.placed.v9           0         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -
    5                                     order.placed     the process did not survive its handler  1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -
    6                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -
    11111111-2222-4333-8444-555555555555  -                is no event                              0         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -
    3                                     order.placed     order 3 took 31 s                        5         2020-05-01T07:00:00Z  2020-05-01T09:30:00Z     13d 23h       1  0af7651916cd43dd8448eb211c80319c
    7                                     order.placed     receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -
    8                                     order.placed     receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -
    00000000-0000-0000-0000-000000000000  -                receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -
    ");
}

#[tokio::test]
async fn a_wide_list_has_everything_that_fits_in_a_row() {
    assert_snapshot!(read(&["dlq", "ls", "billing", "--wide"]).await, @"
    ID                                    TYPE             REASON                                   ATTEMPTS  SENT                  DEAD                  EXPIRES IN  COPIES  TRACE                             CLASS               FINGERPRINT   HANDLER  QUEUE    BUILD        SOURCE         GROUP    BYTES  REPLAYED  MESSAGE
    1                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       2  -                                 permanent           f50704ceeb98  billing  billing  1.2.0 (abc)  /fleet/orders  -          336         0  00000000-0000-0000-0000-000000000000 00000000-0000-0000-0000-000000000000
    2                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -                                 permanent           f50704ceeb98  billing  billing  1.2.0 (abc)  /fleet/orders  -          336         0  00000000-0000-0000-0000-000000000000
    4                                     order.placed.v9  no handler for order.placed.v9           0         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -                                 unknown_type        7accd68bc0c0  billing  billing  -            /fleet/orders  -          336         0  00000000-0000-0000-0000-000000000000
    5                                     order.placed     the process did not survive its handler  1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -                                 crash_suspect       d243d897a35f  billing  billing  1.2.0 (abc)  /fleet/orders  -          336         2  00000000-0000-0000-0000-000000000000
    6                                     order.placed     no customer                              1         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -                                 permanent           f50704ceeb98  billing  billing  1.2.0 (abc)  /fleet/orders  -          445         0  00000000-0000-0000-0000-000000000000
    11111111-2222-4333-8444-555555555555  -                is no event                              0         2020-05-01T07:00:00Z  2020-05-01T08:00:00Z     13d 23h       1  -                                 undecodable         f87812ae96f4  billing  billing  1.2.0 (abc)  billing        -           15         0  00000000-0000-0000-0000-000000000000
    3                                     order.placed     order 3 took 31 s                        5         2020-05-01T07:00:00Z  2020-05-01T09:30:00Z     13d 23h       1  0af7651916cd43dd8448eb211c80319c  attempts_exhausted  050462208c76  billing  billing  1.2.0 (abc)  /fleet/orders  -          408         0  00000000-0000-0000-0000-000000000000
    7                                     order.placed     receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -                                 receives_exhausted  c2a997fb86d8  billing  billing  -            /fleet/orders  -      1048576         0  00000000-0000-0000-0000-000000000000
    8                                     order.placed     receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -                                 receives_exhausted  c2a997fb86d8  billing  billing  -            /fleet/orders  -          336         0  00000000-0000-0000-0000-000000000000
    00000000-0000-0000-0000-000000000000  -                receives exhausted                       -         0000-00-00T00:00:00Z  -                        13d 23h       1  -                                 receives_exhausted  549bcdcad316  billing  billing  -            billing        -           24         0  00000000-0000-0000-0000-000000000000
    ");
}

#[tokio::test]
async fn a_list_is_there_as_json() {
    let list = ["dlq", "ls", "billing", "--json", "--id", "5", "--id", "1"];
    assert_snapshot!(read(&list).await, @r#"
    [
      {
        "id": "00000000-0000-0000-0000-000000000000",
        "key": {
          "source": "/fleet/orders",
          "id": "1"
        },
        "event_type": "order.placed",
        "consumer": "billing",
        "queue": "billing",
        "version": "1.2.0 (abc)",
        "class": "permanent",
        "reason": "no customer",
        "detail": null,
        "fingerprint": "f50704ceeb98",
        "attempts": 1,
        "receives": 1,
        "first_sent_at": "2020-05-01T07:00:00Z",
        "failed_at": "2020-05-01T08:00:00Z",
        "sent_at": "0000-00-00T00:00:00Z",
        "replay_no": 0,
        "is_edited": false,
        "trace_id": null,
        "group_id": null,
        "size_bytes": 336,
        "expires_at": "0000-00-00T00:00:00Z",
        "copies": 2,
        "message_ids": [
          "00000000-0000-0000-0000-000000000000",
          "00000000-0000-0000-0000-000000000000"
        ]
      },
      {
        "id": "00000000-0000-0000-0000-000000000000",
        "key": {
          "source": "/fleet/orders",
          "id": "5"
        },
        "event_type": "order.placed",
        "consumer": "billing",
        "queue": "billing",
        "version": "1.2.0 (abc)",
        "class": "crash_suspect",
        "reason": "the process did not survive its handler",
        "detail": null,
        "fingerprint": "d243d897a35f",
        "attempts": 1,
        "receives": 1,
        "first_sent_at": "2020-05-01T07:00:00Z",
        "failed_at": "2020-05-01T08:00:00Z",
        "sent_at": "0000-00-00T00:00:00Z",
        "replay_no": 2,
        "is_edited": true,
        "trace_id": null,
        "group_id": null,
        "size_bytes": 336,
        "expires_at": "0000-00-00T00:00:00Z",
        "copies": 1,
        "message_ids": [
          "00000000-0000-0000-0000-000000000000"
        ]
      }
    ]
    "#);
}

#[tokio::test]
async fn a_list_can_be_narrowed_down() {
    let morgue = Morgue::with(&zoo()).await;
    let ids = async |filter: &[&str]| {
        let list = [&["dlq", "ls", "billing", "--json"], filter].concat();
        let rows = morgue.site.run(&list).await.with_code(0).json();
        let id = |row: &serde_json::Value| row["key"]["id"].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--type", "order.placed.v9"]).await, ["4"]);
    assert_eq!(ids(&["--reason", "order 99 took"]).await, ["3"]);
    assert_eq!(ids(&["--class", "permanent"]).await, ["1", "2", "6"]);
    assert_eq!(ids(&["--attempts", "5+"]).await, ["3"]);
    assert_eq!(ids(&["--build", ""]).await[..1], ["4"]);
    assert_eq!(ids(&["--match", "\"order_id\":\"[34]\""]).await, ["4", "3"]);
    let late = ["--newer-than", "2020-05-01T09:00:00Z", "--older-than", "1h"];
    assert_eq!(ids(&late).await, ["3"]);
    assert_eq!(ids(&["--id", "2", "--class", "undecodable"]).await.len(), 0);
}

#[tokio::test]
async fn an_id_that_nobody_has_is_named() {
    let morgue = Morgue::with(&zoo()).await;
    let list = ["dlq", "ls", "billing", "--id", "1", "--id", "nobody\u{9b}"];
    let ended = morgue.site.run(&list).await.with_code(0);
    assert_snapshot!(ended.stderr, @r#"
    looked at 11 of about 11 in billing-dlq
    no message among them has the id nobody\u{9b}
    "#);
    assert_eq!(ended.stdout.lines().count(), 2);
}

#[tokio::test]
async fn groups_are_by_failure_and_say_how_to_replay_them() {
    assert_snapshot!(read(&["dlq", "group", "billing"]).await, @"
    3 events in 4 messages: no customer
      of billing, type order.placed
      fingerprint f50704ceeb98, 2020-05-01T08:00:00Z to 2020-05-01T08:00:00Z
      such as 1 2 6
      fleet dlq replay billing --fingerprint f50704ceeb98

    2 events: receives exhausted
      of billing, type order.placed
      fingerprint c2a997fb86d8, 0000-00-00T00:00:00Z to 0000-00-00T00:00:00Z
      such as 7 8
      fleet dlq replay billing --fingerprint c2a997fb86d8

    1 event: order # took # s
      of billing, type order.placed
      fingerprint 050462208c76, 2020-05-01T09:30:00Z to 2020-05-01T09:30:00Z
      such as 3
      fleet dlq replay billing --fingerprint 050462208c76

    1 event: receives exhausted
      of billing, type unknown
      fingerprint 549bcdcad316, 0000-00-00T00:00:00Z to 0000-00-00T00:00:00Z
      such as 00000000-0000-0000-0000-000000000000
      fleet dlq replay billing --fingerprint 549bcdcad316

    1 event: no handler for order.placed.#
      of billing, type order.placed.v9
      fingerprint 7accd68bc0c0, 2020-05-01T08:00:00Z to 2020-05-01T08:00:00Z
      such as 4
      fleet dlq replay billing --fingerprint 7accd68bc0c0

    1 event: the process did not survive its handler
      of billing, type order.placed
      fingerprint d243d897a35f, 2020-05-01T08:00:00Z to 2020-05-01T08:00:00Z
      such as 5
      fleet dlq replay billing --fingerprint d243d897a35f

    1 event: is no event
      of billing, type unknown
      fingerprint f87812ae96f4, 2020-05-01T08:00:00Z to 2020-05-01T08:00:00Z
      such as 11111111-2222-4333-8444-555555555555
      fleet dlq replay billing --fingerprint f87812ae96f4
    ");
}

#[tokio::test]
async fn a_group_is_there_as_json() {
    let group = [
        "dlq",
        "group",
        "billing",
        "--class",
        "attempts_exhausted",
        "--json",
    ];
    assert_snapshot!(read(&group).await, @r#"
    [
      {
        "by": "050462208c76",
        "events": 1,
        "messages": 1,
        "first": "2020-05-01T09:30:00Z",
        "last": "2020-05-01T09:30:00Z",
        "samples": [
          "3"
        ],
        "failure": {
          "fingerprint": "050462208c76",
          "class": "attempts_exhausted",
          "reason": "order # took # s",
          "event_type": "order.placed",
          "handler": "billing"
        },
        "replay": "fleet dlq replay billing --class attempts_exhausted --fingerprint 050462208c76"
      }
    ]
    "#);
}

#[tokio::test]
async fn groups_can_be_by_something_else() {
    let morgue = Morgue::with(&zoo()).await;
    let mut all = String::new();
    for by in ["type", "handler", "version", "hour"] {
        let group = ["dlq", "group", "billing", "--older-than", "1d", "--by", by];
        let ended = morgue.site.run(&group).await.with_code(0);
        // An age is a point in time from here on.
        let commands = ended.stdout.lines();
        all.extend(commands.map(|line| normal(line) + "\n"));
    }
    assert_snapshot!(all, @"
    TYPE             EVENTS  MESSAGES  FIRST                 LAST                  SUCH AS
    order.placed          5         6  2020-05-01T08:00:00Z  2020-05-01T09:30:00Z  1 2 5
    unknown               1         1  2020-05-01T08:00:00Z  2020-05-01T08:00:00Z  11111111-2222-4333-8444-555555555555
    order.placed.v9       1         1  2020-05-01T08:00:00Z  2020-05-01T08:00:00Z  4

    to replay them:
      fleet dlq replay billing --type order.placed --older-than 0000-00-00T00:00:00Z
      fleet dlq replay billing --type '' --older-than 0000-00-00T00:00:00Z
      fleet dlq replay billing --type order.placed.v9 --older-than 0000-00-00T00:00:00Z
    HANDLER  EVENTS  MESSAGES  FIRST                 LAST                  SUCH AS
    billing       7         8  2020-05-01T08:00:00Z  2020-05-01T09:30:00Z    1 2 4

    to replay them:
      fleet dlq replay billing --older-than 0000-00-00T00:00:00Z --queue billing
    BUILD        EVENTS  MESSAGES  FIRST                 LAST                  SUCH AS
    1.2.0 (abc)       6         7  2020-05-01T08:00:00Z  2020-05-01T09:30:00Z    1 2 5
    unknown           1         1  2020-05-01T08:00:00Z  2020-05-01T08:00:00Z        4

    to replay them:
      fleet dlq replay billing --older-than 0000-00-00T00:00:00Z --build '1.2.0 (abc)'
      fleet dlq replay billing --older-than 0000-00-00T00:00:00Z --build ''
    HOUR                  EVENTS  MESSAGES  FIRST                 LAST                  SUCH AS
    2020-05-01T08:00:00Z       6         7  2020-05-01T08:00:00Z  2020-05-01T08:00:00Z    1 2 4
    2020-05-01T09:00:00Z       1         1  2020-05-01T09:30:00Z  2020-05-01T09:30:00Z        3

    to replay them:
      fleet dlq replay billing --older-than 2020-05-01T09:00:00Z --newer-than 2020-05-01T08:00:00Z
      fleet dlq replay billing --older-than 2020-05-01T10:00:00Z --newer-than 2020-05-01T09:00:00Z
    ");
}

/// The filters of each command select exactly the group that it stands for.
#[tokio::test]
async fn what_a_group_says_selects_the_group() {
    let mut dead = zoo().split_off(3);
    dead.retain(|message| message.attributes.len() < 2 && message.size_bytes() < 2_000);
    let hostile = failure(
        "it's",
        FailureClass::Permanent,
        "$(reboot) \u{1b}[2J 'x' `y`",
    );
    dead.push(copy(
        &message(
            r#"{"specversion":"1.0","id":"it's","source":"/x","type":"a'\u001b$(b)","data":1}"#
                .to_owned(),
        ),
        &fleet::message::Failure {
            event_type: Some("a'\u{1b}$(b) c".to_owned()),
            ..hostile
        },
    ));
    let morgue = Morgue::with(&dead).await;
    for by in ["reason", "type", "handler", "version", "hour"] {
        let group = ["dlq", "group", "billing", "--json", "--by", by];
        let groups = morgue.site.run(&group).await.with_code(0).json();
        let groups = groups.as_array().unwrap();
        assert!(!groups.is_empty());
        for group in groups {
            let replay = group["replay"].as_str().unwrap();
            let flags = replay.strip_prefix("fleet dlq replay billing ").unwrap();
            let script = format!("printf '%s\\0' {flags}");
            let words = std::process::Command::new("bash")
                .args(["-c", &script])
                .output()
                .unwrap();
            let words = String::from_utf8(words.stdout).unwrap();
            let words: Vec<_> = words.strip_suffix('\0').unwrap().split('\0').collect();
            let list = [&["dlq", "ls", "billing", "--json"], &words[..]].concat();
            let rows = morgue.site.run(&list).await.with_code(0).json();
            let rows = rows.as_array().unwrap().len();
            assert_eq!(Some(rows as u64), group["events"].as_u64(), "{replay}");
        }
    }
}

#[tokio::test]
async fn an_empty_queue_is_said_to_be_empty() {
    let morgue = Morgue::new().await;
    for command in ["ls", "group"] {
        let ended = morgue
            .site
            .run(&["dlq", command, "billing"])
            .await
            .with_code(0);
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr, "billing-dlq is empty");
        let list = ["dlq", command, "billing", "--json"];
        let ended = morgue.site.run(&list).await.with_code(0);
        assert_eq!(ended.stdout, "[]");
    }
    let ended = morgue
        .site
        .run(&["dlq", "stats", "billing"])
        .await
        .with_code(0);
    assert_snapshot!(ended.stdout, @"
    queue             billing-dlq
    dead letters of   billing
    visible           0
    in flight         0
    oldest death      -
    newest death      -
    next expiry       -
    expire in 3 days  0
    ");
}

#[tokio::test]
async fn every_command_has_examples() {
    let morgue = Morgue::new().await;
    let help = morgue.site.run(&["dlq", "--help"]).await.with_code(0);
    for command in ["stats", "ls", "group", "show", "export", "import", "purge"] {
        assert!(help.stdout.contains(&format!("\n  {command}")), "{command}");
        let help = morgue
            .site
            .run(&["dlq", command, "--help"])
            .await
            .with_code(0);
        let example = format!("  fleet dlq {command} billing");
        assert!(help.stdout.contains(&example), "{}", help.stdout);
    }
}
