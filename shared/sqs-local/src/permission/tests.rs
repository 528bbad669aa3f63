use super::Permissions;

fn of(statement: &str) -> Permissions {
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    format!(r#"{{"AKID":[{policy}]}}"#).parse().unwrap()
}

const ORDERS: &str = "arn:aws:sqs:us-east-1:000000000000:orders";

#[test]
fn only_what_a_statement_names_is_allowed() {
    let check = |action: &str, resource: &str, asked: (&str, &str), expected: bool| {
        let statement = format!(r#"{{"Effect":"Allow","Action":{action},"Resource":{resource}}}"#);
        let allowed = of(&statement).allow("AKID", asked.0, asked.1);
        assert_eq!(allowed, expected, "{statement}: {asked:?}");
    };
    let orders = &format!("{ORDERS:?}");
    let send = r#""sqs:SendMessage""#;
    check(send, orders, ("sqs:SendMessage", ORDERS), true);
    check(send, orders, ("sqs:ReceiveMessage", ORDERS), false);
    check(send, orders, ("sqs:SendMessage", &ORDERS[1..]), false);
    let dead = format!("{ORDERS}-dlq");
    check(send, orders, ("sqs:SendMessage", &dead), false);
    check(
        r#""SQS:sendmessage""#,
        orders,
        ("sqs:SendMessage", ORDERS),
        true,
    );
    check(send, r#""*""#, ("sqs:SendMessage", ORDERS), true);
    check(
        send,
        &format!(r#"["arn:x", {orders}]"#),
        ("sqs:SendMessage", ORDERS),
        true,
    );
    check(
        r#"["sqs:A", "sqs:SendMessage"]"#,
        orders,
        ("sqs:SendMessage", ORDERS),
        true,
    );
    check(
        r#""sqs:*Message""#,
        orders,
        ("sqs:DeleteMessage", ORDERS),
        true,
    );
    check(
        r#""sqs:*Message""#,
        orders,
        ("sqs:GetQueueUrl", ORDERS),
        false,
    );
    check(
        r#""sqs:Send?essage""#,
        orders,
        ("sqs:SendMessage", ORDERS),
        true,
    );
    check(
        send,
        r#""arn:aws:sqs:*:*:ord*r?""#,
        ("sqs:SendMessage", ORDERS),
        true,
    );
    check(
        send,
        r#""arn:aws:sqs:*:ORDERS""#,
        ("sqs:SendMessage", ORDERS),
        false,
    );
    check(
        r#""kms:Decrypt""#,
        r#""*""#,
        ("sqs:SendMessage", ORDERS),
        false,
    );
}

#[test]
fn any_policy_of_a_key_will_do_and_none_of_another() {
    let policy = |action: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Sid":"A","Effect":"Allow","Action":"sqs:{action}","Resource":"*"}}}}"#
        )
    };
    let text = format!(
        r#"{{"ONE":[{},{}],"OTHER":[]}}"#,
        policy("SendMessage"),
        policy("DeleteMessage")
    );
    let permissions: Permissions = text.parse().unwrap();
    assert!(permissions.allow("ONE", "sqs:SendMessage", ORDERS));
    assert!(permissions.allow("ONE", "sqs:DeleteMessage", ORDERS));
    assert!(!permissions.allow("OTHER", "sqs:SendMessage", ORDERS));
    assert!(permissions.knows("OTHER") && !permissions.knows("THIRD"));
    assert!(!permissions.allow("THIRD", "sqs:SendMessage", ORDERS));
}

#[test]
fn what_is_not_understood_is_refused_when_it_is_read() {
    let check = |statement: &str, part: &str| {
        let text = format!(r#"{{"AKID":[{{"Version":"2012-10-17","Statement":[{statement}]}}]}}"#);
        let error = text.parse::<Permissions>().unwrap_err().to_string();
        assert!(error.contains(part), "{statement}: {error}");
    };
    let with =
        |more: &str| format!(r#"{{"Effect":"Allow","Action":"sqs:*","Resource":"*"{more}}}"#);
    check(
        r#"{"Effect":"Deny","Action":"sqs:*","Resource":"*"}"#,
        "Deny",
    );
    check(&with(r#","Condition":{}"#), "Condition");
    check(&with(r#","Principal":"*""#), "Principal");
    check(
        r#"{"Effect":"Allow","NotAction":"sqs:*","Resource":"*"}"#,
        "NotAction",
    );
    check(r#"{"Effect":"Allow","Action":"sqs:*"}"#, "Resource");
    check(r#"{"Effect":"Allow","Action":7,"Resource":"*"}"#, "7");
    let old = r#"{"AKID":[{"Version":"2008-10-17","Statement":[]}]}"#;
    assert!(old.parse::<Permissions>().is_err());
    assert!("[]".parse::<Permissions>().is_err());
}

#[test]
fn a_pattern_of_many_stars_ends() {
    let stars = "a*".repeat(200);
    let resource = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{stars}b"}}"#);
    assert!(!of(&resource).allow("AKID", "sqs:SendMessage", &"a".repeat(2_000)));
}
