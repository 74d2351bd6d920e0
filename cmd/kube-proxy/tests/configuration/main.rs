//! The real binary with configurations that it writes down or refuses: each field and each flag as it is by default, set,
//! and wrong, with the message and the exit code.
//!
//! Every command line asks for `--write-config-to`, so nothing is touched but files of the test.

#[cfg(test)]
mod stage;

#[cfg(test)]
mod field;
#[cfg(test)]
mod flag;
#[cfg(test)]
mod write;
