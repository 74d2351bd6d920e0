//! The API source against a scripted API server, over real HTTP: whatever goes wrong on the way,
//! those who listen end up knowing what is so, and never hear that something is gone which is not.
//!
//! Knows nothing of the protocol's inside: only what was told, and what was asked.

#[cfg(test)]
mod consumer;
mod objects;
#[cfg(test)]
mod proxy;

#[cfg(test)]
mod credentials;
mod faults;
mod lists;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod refusals;
mod versions;
