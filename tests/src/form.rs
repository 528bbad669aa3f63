//! How much of a story is told: the short form in CI, the long one by `make long-stories`.

/// Returns the first of the two, or the second where `FLEET_TEST_LARGE` is set.
pub fn short_or_long<T>((short, long): (T, T)) -> T {
    match std::env::var_os("FLEET_TEST_LARGE").filter(|asked| !asked.is_empty()) {
        Some(_) => long,
        None => short,
    }
}
