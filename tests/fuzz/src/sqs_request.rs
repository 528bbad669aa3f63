use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::Value;
use sqs_local::Sqs;
use sqs_local::http::{AnswerBody, exchange};

use crate::ledger::{Ledger, counts};
use crate::post;
use crate::script::{Step, fill, steps};

/// Sends requests, one after the other, to an account that had no queue before the first.
///
/// Every answer is that of the operation or an error with a code, never one of the server's own;
/// what was deleted is never seen again, and nothing is there that nobody has sent.
pub fn sqs_request(data: &[u8]) {
    post::run(async {
        let sqs = post::service();
        let mut ledger = Ledger::default();
        for step in steps(data) {
            match step {
                Step::Wait(span) => tokio::time::sleep(span).await,
                Step::Call { target, body } => {
                    let body = fill(body, &ledger.receipts, &ledger.task);
                    call(&sqs, &mut ledger, &target, body).await;
                }
            }
            ledger.check(counts(&sqs).await);
        }
    });
}

async fn call(sqs: &Sqs, ledger: &mut Ledger, target: &str, body: Vec<u8>) {
    let asked = Request::post("/")
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::new(Bytes::from(body.clone())));
    // A target that no header can hold.
    let Ok(asked) = asked else { return };
    let before = counts(sqs).await;
    let answer = exchange(sqs, asked).await.expect("no plan breaks anything");
    let Some(answer) = read(answer).await else {
        return;
    };
    let operation = target.rsplit('.').next().unwrap_or_default();
    if operation == "DeleteMessage" && counts(sqs).await.all < before.all {
        let request: Value = serde_json::from_slice(&body).expect("it was read by the server");
        let receipt = request.get("ReceiptHandle").and_then(Value::as_str);
        ledger.note_deleted(receipt.expect("nothing is deleted without a receipt"));
    }
    ledger.note(operation, &answer);
}

/// Reads the answer of an operation, if it is no error.
async fn read(answer: Response<AnswerBody>) -> Option<Value> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("it is in memory").to_bytes();
    let answer: Value = serde_json::from_slice(&body).expect("an answer is JSON");
    assert!(answer.is_object());
    if head.status.is_success() {
        return Some(answer);
    }
    assert!(head.status.is_client_error(), "{}: {answer}", head.status);
    let code = head.headers.get("x-amzn-query-error");
    let code = code.and_then(|code| code.to_str().ok());
    assert!(code.is_some_and(|code| code.ends_with(";Sender") && code.len() > 7));
    for member in ["__type", "message"] {
        let text = answer.get(member).and_then(Value::as_str);
        assert!(text.is_some_and(|text| !text.is_empty()), "{answer}");
    }
    None
}
