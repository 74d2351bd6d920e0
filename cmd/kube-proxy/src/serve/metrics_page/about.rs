//! `/flagz` and `/statusz`: for people who look for a reason, in no format that anybody should rely on.
//!
//! Pure: the time is an argument.

use crate::built::Build;
use crate::health::Moment;

use super::super::answer::{Answer, Request};

const WARNING: &str = "Warning: for people, not for programs; the format may change at any time.";

/// All flags with their values on the command line, by name.
pub(super) fn flagz(flags: &[(&'static str, String)], request: &Request) -> Answer {
    if !takes_text(request) {
        return not_acceptable();
    }
    let mut lines: Vec<_> = flags.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    lines.sort();
    Answer::text(200, format!("\nkube-proxy flagz\n{WARNING}\n\n{}", lines.concat()))
}

/// What was built, and since when it runs.
pub(super) fn statusz(
    build: &Build,
    started: &Moment,
    now: &Moment,
    has_flagz: bool,
    request: &Request,
) -> Answer {
    if !takes_text(request) {
        return not_acceptable();
    }
    let up = now.instant.saturating_duration_since(started.instant).as_secs();
    let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
    let binary = build.release.trim_start_matches('v');
    let emulation: Vec<&str> = binary.split('.').take(2).collect();
    let flagz = if has_flagz { " /flagz" } else { "" };
    let text = format!(
        "\nkube-proxy statusz\n{WARNING}\n\n\
         Started: {start}\nUp: {hours} hr {minutes:02} min {seconds:02} sec\n\
         Toolchain: {toolchain}\nBinary version: {binary}\nEmulation version: {emulation}\n\n\
         Paths: /configz{flagz} /healthz /metrics /proxyMode\n",
        start = started.wall.strftime("%a %b %e %H:%M:%S %Z %Y"),
        toolchain = build.toolchain,
        emulation = emulation.join("."),
    );
    Answer::text(200, text)
}

fn takes_text(request: &Request) -> bool {
    let offered =
        |range: &str| matches!(range.split(';').next().map(str::trim), Some("text/plain" | "text/*" | "*/*"));
    request.accept.is_empty() || request.accept.split(',').any(offered)
}

fn not_acceptable() -> Answer {
    Answer::text(406, "only text/plain is offered\n")
}
