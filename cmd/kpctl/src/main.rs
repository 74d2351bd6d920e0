//! kpctl

fn main() {}
