//! Log lines, and a panic hook that writes one.

/// Writes out the lines that are still buffered.
pub fn flush() {}
