//! Formats, levels and options of the log, and the gates that they need.

use super::*;
use crate::config::{FlushFrequency, VModule};

#[test]
fn log_formats() {
    assert_eq!(wrong_logging(&[], |c| c.logging.format = "json".into()), "");
    assert_eq!(
        wrong_logging(&[("AllBeta", false)], |c| c.logging.format = "json".into()),
        "logging.format: Invalid value: \"json\": needs the feature gate LoggingBetaOptions"
    );
    assert_eq!(
        wrong_logging(&[], |c| c.logging.format = "xml".into()),
        "logging.format: Invalid value: \"xml\": must be text or json"
    );
}

#[test]
fn log_levels() {
    let found = wrong_logging(&[], |c| c.logging.flush_frequency = FlushFrequency::Text(Duration::ZERO));
    assert_eq!(found, "logging.flushFrequency: Invalid value: \"0s\": must be greater than 0");
    assert_eq!(
        wrong_logging(&[], |c| c.logging.verbosity = 2_147_483_648),
        "logging.verbosity: Invalid value: 2147483648: must not be greater than 2147483647"
    );
}

#[test]
fn vmodule() {
    let with = |pattern: &str, verbosity| {
        let entry = VModule { file_pattern: pattern.to_owned(), verbosity };
        move |c: &mut Config| c.logging.vmodule = vec![entry]
    };
    assert_eq!(wrong_logging(&[], with("sync*", 9)), "");
    assert_eq!(
        wrong_logging(&[], with("", 0)),
        "logging.vmodule[0].filePattern: Invalid value: \"\": must not be empty"
    );
    for bad in ["a=b", "a,b"] {
        let found = wrong_logging(&[], with(bad, 0));
        assert!(found.contains("must not contain an equal sign or a comma"), "{found}");
    }
    assert!(wrong_logging(&[], with("a", u32::MAX)).starts_with("logging.vmodule[0].verbosity: Invalid"));
    let json = wrong_logging(&[], |c| {
        with("a", 1)(c);
        c.logging.format = "json".into();
    });
    assert_eq!(json, "logging.format: Invalid value: \"json\": must be text if vmodule is set");
}

#[test]
fn alpha_log_options() {
    let set = |c: &mut Config| {
        c.logging.text.split_stream = true;
        c.logging.json.info_buffer_size = "1K".parse().unwrap();
    };
    assert_eq!(wrong_logging(&[("LoggingAlphaOptions", true)], set), "");
    assert_eq!(
        wrong_logging(&[], set),
        "[logging.options.text.splitStream: Invalid value: true: needs the feature gate LoggingAlphaOptions, \
         logging.options.json.infoBufferSize: Invalid value: \"1K\": \
         needs the feature gate LoggingAlphaOptions]"
    );
}
