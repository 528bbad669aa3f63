//! Names every limit of the service, each with where it comes from.
//!
//! Unless something else is said, a limit is one of the Amazon SQS API reference
//! or of the "quotas" pages of its developer guide.

/// Milliseconds since the Unix epoch, or a span of them.
pub type Millis = u64;

/// Milliseconds of one second.
pub(crate) const SECOND: Millis = 1_000;

/// Entries of a batch request.
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Characters of the id of a batch entry.
pub const BATCH_ENTRY_ID_CHARS_MAX: usize = 80;
/// Messages of one receive.
pub const RECEIVE_MESSAGES_MAX: i32 = 10;
/// Seconds a receive may wait.
pub const RECEIVE_WAIT_SECS_MAX: i32 = 20;
/// Seconds of a visibility timeout, and of all extensions of one receive together.
pub const VISIBILITY_SECS_MAX: i32 = 43_200;
/// Seconds of a delay.
pub const DELAY_SECS_MAX: i32 = 900;
/// Bytes of a message, body and attributes, and of all messages of a batch.
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// Attributes of a message.
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Characters of an attribute's name or data type.
pub const ATTRIBUTE_NAME_CHARS_MAX: usize = 256;
/// Characters of a group id, a deduplication id and a receive attempt id.
pub const GROUP_ID_CHARS_MAX: usize = 128;
/// Messages in flight, after which a standard queue delivers nothing.
pub const IN_FLIGHT_MAX: usize = 120_000;
/// How long a FIFO queue remembers a deduplication id.
pub const DEDUPLICATION_MS: Millis = 300 * SECOND;
/// How long a receive of a FIFO queue can be repeated by its attempt id.
pub const RECEIVE_ATTEMPT_MS: Millis = 300 * SECOND;
/// How long the name of a deleted queue is blocked.
pub const DELETED_NAME_MS: Millis = 60 * SECOND;
/// How long after a purge the next one is refused.
pub const PURGE_INTERVAL_MS: Millis = 60 * SECOND;
/// Queues of one page of a listing.
pub const LIST_RESULTS_MAX: i32 = 1_000;
/// The largest `maxReceiveCount` of a redrive policy.
pub const REDRIVE_RECEIVES_MAX: u32 = 1_000;
/// Source queues a redrive allow policy may name.
pub const REDRIVE_SOURCES_MAX: usize = 10;
/// Messages a second that a move task may be asked for; also what one without a wish moves, since
/// SQS does not say what it chooses then.
pub const MOVES_PER_SECOND_MAX: i32 = 500;
/// Move tasks of a queue that are remembered.
pub const MOVE_TASKS_MAX: i32 = 10;
/// Tags of a queue. SQS only advises against more.
pub const TAGS_MAX: usize = 50;
/// Characters of the key of a tag.
pub const TAG_KEY_CHARS_MAX: usize = 128;
/// Characters of the value of a tag.
pub const TAG_VALUE_CHARS_MAX: usize = 256;
/// Significant digits of an attribute of type Number.
pub const NUMBER_DIGITS_MAX: usize = 38;

/// Bytes of an HTTP request's body. Ours: the largest legal batch is 1 MiB, and
/// JSON may write each byte of it as six (`\u0001`); the rest is for handles and names.
pub const REQUEST_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;
