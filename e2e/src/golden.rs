//! Turns a folder of recorded cases into verdicts on the real binary: are the rules it writes the recorded ones?
//!
//! Does not know which rules are right: the recordings do.

mod case;
pub mod node;
mod run;

pub use case::{Case, cases};
pub use run::run;
