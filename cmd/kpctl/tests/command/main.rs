//! The real program: what it prints, what it complains of, and how it ends.

#[cfg(test)]
mod stage;

#[cfg(test)]
mod explain;
#[cfg(test)]
mod render;
