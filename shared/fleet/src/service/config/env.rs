use std::collections::BTreeMap;

/// Answers what a variable is set to, so that a test needs no real environment.
pub trait Env {
    /// Returns the variable's value, or `None` when it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    /// Returns the variable's value; bytes that are no UTF-8 become U+FFFD,
    /// which the reader reports as a problem of that variable.
    fn get(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}

impl Env for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }
}
