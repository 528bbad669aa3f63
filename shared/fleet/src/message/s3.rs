use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::DecodeError;
use super::key::EventKey;
use super::opened::{Parts, misfit};

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
///
/// S3 sends one record a notification; `None` when these records are not S3's.
pub(super) fn s3_record(records: &RawValue) -> Option<Result<Parts<'_>, DecodeError>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        event_source: String,
        event_name: String,
        s3: Entity,
    }
    #[derive(Deserialize)]
    struct Entity {
        bucket: Bucket,
        object: Object,
    }
    #[derive(Deserialize)]
    struct Bucket {
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        key: String,
        version_id: Option<String>,
        #[serde(default)]
        sequencer: String,
    }
    let raw: Vec<&RawValue> = serde_json::from_str(records.get()).ok()?;
    let record: Record = serde_json::from_str(raw.first()?.get()).ok()?;
    if record.event_source != "aws:s3" {
        return None;
    }
    if raw.len() > 1 {
        return Some(Err(misfit("S3", "more than one record in a notification")));
    }
    let Object {
        key,
        version_id,
        sequencer,
    } = record.s3.object;
    Some(Ok(Parts {
        key: EventKey::new(
            format!("s3://{}", record.s3.bucket.name),
            format!("{key}/{}/{sequencer}", version_id.unwrap_or_default()),
        ),
        event_type: Cow::Owned(format!("s3:{}", record.event_name)),
        time: None,
        trace: None,
        data: Cow::Borrowed(raw[0].get()),
    }))
}
