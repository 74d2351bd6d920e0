//! kube-proxy

fn main() {}
