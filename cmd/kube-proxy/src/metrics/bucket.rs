//! The upper bounds of histogram buckets, as kube-proxy and client-go have them.
//!
//! Knows nothing of what is measured. Bounds must match those of other versions, or quantiles over both are wrong.

/// Seconds of work on this node: 1 ms, doubling, up to 16.384 s.
pub(super) fn sync() -> Vec<f64> {
    (0..15).map(|doublings| 0.001 * f64::from(1 << doublings)).collect()
}

/// Seconds from a change in the cluster to its rules. The bound 0 looks odd but is kube-proxy's.
pub(super) fn network_programming() -> Vec<f64> {
    let steps = (1..60).chain((60..120).step_by(5)).chain((120..=300).step_by(30));
    [0.0, 0.25, 0.5].into_iter().chain(steps.map(f64::from)).collect()
}

/// Bytes of a request to the API server, or of its answer.
pub(super) fn size() -> Vec<f64> {
    [64, 256, 512, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24]
        .map(f64::from)
        .to_vec()
}

/// Seconds of a request to the API server.
pub(super) fn request() -> Vec<f64> {
    vec![0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0]
}
