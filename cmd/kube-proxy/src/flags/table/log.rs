//! Flags about the log.
//!
//! All win over the configuration file; `--vmodule` is put before what the file has.

use config::FlushFrequency;

use super::{Flag, Set};

pub(super) static FLAGS: &[Flag] = &[
    Flag::new("v", "0", Set::Level(|t, v| t.config.logging.verbosity = v), "Log messages up to this level.")
        .short('v')
        .beats_file(),
    Flag::new(
        "vmodule",
        "",
        Set::Patterns(|t, mut v| {
            v.append(&mut t.config.logging.vmodule);
            t.config.logging.vmodule = v;
        }),
        "Log levels for single source files; text format only. They go before those of the file, which stay.",
    )
    .beats_file(),
    Flag::new(
        "logging-format",
        "text",
        Set::Text(|t, v| t.config.logging.format = v),
        "The format of the log, text or json.",
    )
    .beats_file(),
    Flag::new(
        "log-flush-frequency",
        "5s",
        Set::Duration(|t, v| t.config.logging.flush_frequency = FlushFrequency::Text(v)),
        "Without effect: nothing is buffered.",
    )
    .beats_file(),
    Flag::new(
        "log-json-info-buffer-size",
        "0",
        Set::Quantity(|t, v| t.config.logging.json.info_buffer_size = v),
        "Without effect; needs the feature gate LoggingAlphaOptions.",
    )
    .beats_file(),
    Flag::new(
        "log-json-split-stream",
        "false",
        Set::Bool(|t, v| t.config.logging.json.split_stream = v),
        "Without effect; needs the feature gate LoggingAlphaOptions.",
    )
    .beats_file(),
    Flag::new(
        "log-text-info-buffer-size",
        "0",
        Set::Quantity(|t, v| t.config.logging.text.info_buffer_size = v),
        "Without effect; needs the feature gate LoggingAlphaOptions.",
    )
    .beats_file(),
    Flag::new(
        "log-text-split-stream",
        "false",
        Set::Bool(|t, v| t.config.logging.text.split_stream = v),
        "Without effect; needs the feature gate LoggingAlphaOptions.",
    )
    .beats_file(),
];
