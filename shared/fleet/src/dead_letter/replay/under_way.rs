use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What is being sent at this moment, by what it says.
///
/// A copy of it waits until the journal says that the first one was sent.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    contents: Mutex<HashSet<String>>,
}

/// Keeps copies waiting for as long as it lives.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    under_way: &'a UnderWay,
    content: String,
}

impl UnderWay {
    /// Claims a content; none when a copy of it is being sent.
    pub(super) fn claim(&self, content: &str) -> Option<Claim<'_>> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.insert(content.to_owned()).then(|| Claim {
            under_way: self,
            content: content.to_owned(),
        })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let contents = &self.under_way.contents;
        let mut contents = contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.remove(&self.content);
    }
}
