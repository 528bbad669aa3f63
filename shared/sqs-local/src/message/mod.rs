//! What a message is made of, apart from where it stands in its queue.

mod attribute;
mod content;
mod digest;
mod draft;
mod text;

pub use self::attribute::{MessageAttributeValue, MessageAttributes};
pub use self::content::MessageId;
pub(crate) use self::content::{Content, Extras};
pub use self::digest::Md5;
pub(crate) use self::draft::Draft;
pub(crate) use self::text::{check_attribute_text, check_body, check_group_id};
