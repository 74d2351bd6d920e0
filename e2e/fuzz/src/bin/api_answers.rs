//! Feeds libFuzzer's inputs to [`fuzz::api_answers`]; built without libFuzzer, the files that are named.
//!
//! Knows nothing of the law itself.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::api_answers(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    fuzz::replay::arguments(fuzz::api_answers)
}
