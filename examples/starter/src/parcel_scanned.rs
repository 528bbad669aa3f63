use fleet::Event;
use serde::{Deserialize, Serialize};

/// A parcel went past a scanner.
///
/// Fields may be added, as optional ones; a breaking change is a new event with
/// a new type.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ParcelScanned {
    /// What stands on its label.
    pub(crate) parcel_id: String,
    /// Where it was scanned.
    pub(crate) depot: String,
}

impl Event for ParcelScanned {
    const TYPE: &'static str = "parcel.scanned";
}
