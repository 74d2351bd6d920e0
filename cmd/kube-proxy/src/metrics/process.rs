//! EDGE: what the kernel tells of this process, as metrics, read from `/proc` whenever somebody asks.
//!
//! Knows nothing of what the process does.

mod parse;

use std::fs;

use prometheus::Result;

use super::register::Register;
use super::sampled::{Described, Kind, Sampled, Samples};
use parse::{limit, octets, resident, start_of_host, stat};

const fn described(name: &'static str, kind: Kind, help: &'static str) -> Described {
    Described { name, kind, help }
}

static CPU: Described =
    described("process_cpu_seconds_total", Kind::Counter, "Seconds of CPU time, user and system");
static RECEIVED: Described = described(
    "process_network_receive_bytes_total",
    Kind::Counter,
    "Bytes received in the network namespace of the process",
);
static SENT: Described = described(
    "process_network_transmit_bytes_total",
    Kind::Counter,
    "Bytes sent in the network namespace of the process",
);
static OPEN_FILES: Described = described("process_open_fds", Kind::Gauge, "File descriptors that are open");
static MAX_FILES: Described = described("process_max_fds", Kind::Gauge, "File descriptors that may be open");
static RESIDENT: Described =
    described("process_resident_memory_bytes", Kind::Gauge, "Bytes of resident memory");
static VIRTUAL: Described = described("process_virtual_memory_bytes", Kind::Gauge, "Bytes of virtual memory");
static MAX_VIRTUAL: Described =
    described("process_virtual_memory_max_bytes", Kind::Gauge, "Bytes of virtual memory that may be had");
/// When the process started.
pub(super) static START_TIME: Described =
    described("process_start_time_seconds", Kind::Gauge, "When the process started, in seconds since 1970");
static TASKS: Described = described(
    "go_goroutines",
    Kind::Gauge,
    "Threads of the process, which has no goroutines; named for dashboards that expect some",
);

pub(super) fn register(register: &Register) -> Result<()> {
    let all = [
        &CPU,
        &RECEIVED,
        &SENT,
        &OPEN_FILES,
        &MAX_FILES,
        &RESIDENT,
        &VIRTUAL,
        &MAX_VIRTUAL,
        &START_TIME,
        &TASKS,
    ];
    register.0.register(Box::new(Sampled::new(&all, look)?))
}

/// When the process started, in seconds since 1970; absent if the kernel does not tell.
pub(crate) fn start_time_seconds() -> Option<f64> {
    Some(start_of_host(&read("/proc/stat")?)? + stat(&read("/proc/self/stat")?)?.start)
}

fn look() -> Samples {
    let mut samples = Samples::new();
    if let Some(stat) = read("/proc/self/stat").as_deref().and_then(stat) {
        samples.extend([(&CPU, stat.cpu), (&VIRTUAL, stat.virtual_bytes), (&TASKS, stat.threads)]);
    }
    let resident = read("/proc/self/status").as_deref().and_then(resident);
    samples.extend(resident.map(|bytes| (&RESIDENT, bytes)));
    samples.extend(start_time_seconds().map(|start| (&START_TIME, start)));
    if let Some(limits) = read("/proc/self/limits") {
        samples.extend(limit(&limits, "Max open files").map(|files| (&MAX_FILES, files)));
        samples.extend(limit(&limits, "Max address space").map(|bytes| (&MAX_VIRTUAL, bytes)));
    }
    samples.extend(open_files().map(|files| (&OPEN_FILES, files)));
    if let Some((received, sent)) = read("/proc/self/net/netstat").as_deref().and_then(octets) {
        samples.extend([(&RECEIVED, received), (&SENT, sent)]);
    }
    samples
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Without the one that the directory itself is read by.
fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}
