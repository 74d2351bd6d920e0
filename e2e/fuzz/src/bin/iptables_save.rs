//! Feeds libFuzzer's inputs to [`fuzz::iptables_save`]; built without libFuzzer, the files that are named.
//!
//! Knows nothing of the law itself.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::iptables_save(bytes));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    fuzz::replay::arguments(fuzz::iptables_save)
}
