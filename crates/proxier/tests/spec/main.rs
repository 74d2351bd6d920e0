//! Turns clusters written as text into rules, and compares the rules, and what they do to packets,
//! with what kube-proxy's would be.
//!
//! Knows nothing of the kernel: the rules are judged as values and as text.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod cluster;
mod story;

mod golden;
mod packet;
mod record;
mod rule;
mod step;
mod topology;
