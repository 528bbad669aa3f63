use crate::message::{EventKey, NewEvent, Outgoing};

/// The most characters of a `MessageGroupId` and a `MessageDeduplicationId`.
///
/// Source: SQS API reference, `SendMessage`.
const ID_CHARACTERS_MAX: usize = 128;

/// Renders an event for a queue.
///
/// On a FIFO queue the ordering key is the message group, and an event without
/// one is a group of its own. The deduplication id is made of the event key, so
/// that a row sent twice in a crash is swallowed by the queue already.
pub(super) fn render(event: &NewEvent, is_fifo: bool) -> Outgoing {
    let mut message = event.to_message();
    if is_fifo {
        let group = event.ordering_key.as_deref().unwrap_or(&event.key.id);
        message.group_id = Some(legal(group).unwrap_or_else(|| fingerprint(&[group])));
        message.deduplication_id = Some(deduplication_id(&event.key));
    } else {
        // There it only helps SQS to be fair; an illegal one would cost the message.
        message.group_id = message.group_id.as_deref().and_then(legal);
    }
    message
}

fn deduplication_id(key: &EventKey) -> String {
    fingerprint(&[&key.source, &key.id])
}

/// Returns the text if SQS takes it as an id: letters, digits and ASCII punctuation.
fn legal(text: &str) -> Option<String> {
    let is_legal =
        (1..=ID_CHARACTERS_MAX).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    is_legal.then(|| text.to_owned())
}

/// Makes 32 hexadecimal digits of the parts, the same in every process and release.
///
/// FNV-1a with 128 bits (Fowler, Noll and Vo): it tells events of one queue
/// within SQS's five minutes apart, and guards nothing.
fn fingerprint(parts: &[&str]) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(ordering_key: Option<&str>) -> NewEvent {
        NewEvent {
            key: EventKey::new("/shop", "7"),
            event_type: "a.b".to_owned(),
            time: Timestamp::UNIX_EPOCH,
            data: "{}".to_owned(),
            ordering_key: ordering_key.map(str::to_owned),
            trace: None,
        }
    }

    #[test]
    fn a_fifo_message_has_a_group_and_a_deduplication_id_in_any_case() {
        let free = render(&event(None), true);
        assert_eq!(free.group_id.as_deref(), Some("7"));
        let ordered = render(&event(Some("customer-1")), true);
        assert_eq!(ordered.group_id.as_deref(), Some("customer-1"));
        assert_eq!(free.deduplication_id, ordered.deduplication_id);
        assert_eq!(free.deduplication_id.map(|id| id.len()), Some(32));
    }

    #[test]
    fn an_ordering_key_that_is_no_group_is_hashed_on_fifo_and_left_out_elsewhere() {
        for illegal in ["cust omer", "Ä", &"x".repeat(129)] {
            let fifo = render(&event(Some(illegal)), true).group_id.unwrap();
            assert_eq!(legal(&fifo), Some(fifo));
            assert_eq!(render(&event(Some(illegal)), false).group_id, None);
        }
        let standard = render(&event(Some("customer-1")), false);
        assert_eq!(standard.group_id.as_deref(), Some("customer-1"));
        assert_eq!(standard.deduplication_id, None);
    }

    #[test]
    fn fingerprints_tell_where_one_part_ends() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        // The published test vector of FNV-1a 128 for "a", before the separator.
        assert_eq!(fingerprint(&[]), "6c62272e07bb014262b821756295c58d");
    }
}
