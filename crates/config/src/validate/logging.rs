//! Turns the configuration of the log into what is wrong with it.
//!
//! Does not know how lines are written.

use crate::config::Config;
use crate::gate::{Gate, Gates};
use crate::problem::{Collector, Problems};

const MAX_VERBOSITY: u32 = 0x7fff_ffff;

impl Config {
    /// Checks `logging`, which decides how everything else is reported.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn check_logging(&self, gates: &Gates) -> Result<(), Problems> {
        let mut found = Collector::below("logging");
        let logging = &self.logging;
        found.more_than_zero("flushFrequency", logging.flush_frequency.duration());
        log_format(&logging.format, gates, &mut found);
        verbosity("verbosity", logging.verbosity, &mut found);
        vmodule(self, &mut found);
        if !gates.is_enabled(Gate::LoggingAlphaOptions) {
            alpha_options(self, &mut found);
        }
        found.finish(Some(()))
    }
}

fn log_format(format: &str, gates: &Gates, found: &mut Collector) {
    match format {
        "text" => {}
        "json" if gates.is_enabled(Gate::LoggingBetaOptions) => {}
        "json" => found.invalid("format", format, "needs the feature gate LoggingBetaOptions"),
        other => found.invalid("format", other, "must be text or json"),
    }
}

fn verbosity(path: &str, level: u32, found: &mut Collector) {
    if level > MAX_VERBOSITY {
        found.invalid(path, level, "must not be greater than 2147483647");
    }
}

fn vmodule(config: &Config, found: &mut Collector) {
    if !config.logging.vmodule.is_empty() && config.logging.format != "text" {
        found.invalid("format", config.logging.format.as_str(), "must be text if vmodule is set");
    }
    for (index, entry) in config.logging.vmodule.iter().enumerate() {
        let path = format!("vmodule[{index}].filePattern");
        let pattern = entry.file_pattern.as_str();
        if pattern.is_empty() {
            found.invalid(&path, pattern, "must not be empty");
        }
        if pattern.contains(['=', ',']) {
            found.invalid(&path, pattern, "must not contain an equal sign or a comma");
        }
        verbosity(&format!("vmodule[{index}].verbosity"), entry.verbosity, found);
    }
}

fn alpha_options(config: &Config, found: &mut Collector) {
    const REASON: &str = "needs the feature gate LoggingAlphaOptions";
    for (format, options) in [("text", &config.logging.text), ("json", &config.logging.json)] {
        if options.split_stream {
            found.invalid(&format!("options.{format}.splitStream"), true, REASON);
        }
        if !options.info_buffer_size.is_zero() {
            let size = options.info_buffer_size.to_string();
            found.invalid(&format!("options.{format}.infoBufferSize"), size.as_str(), REASON);
        }
    }
}
