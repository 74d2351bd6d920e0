//! Each field of the file, as `fields.txt` has them.
//!
//! There, `-` is nothing, and after ` & ` stands what the file has beside the field.

use crate::stage::{Stage, rows};

fn fields() -> Vec<[&'static str; 6]> {
    rows(include_str!("fields.txt"))
}

/// A file with this value of the field.
fn file(path: &str, value: &str) -> String {
    let (value, beside) = value.split_once(" & ").unwrap_or((value, ""));
    let mut sections: Vec<_> = path.split('.').collect();
    let field = sections.pop().unwrap();
    let open: String = sections.iter().map(|name| format!("{name}: {{")).collect();
    format!("{open}{field}: {value}{}\n{beside}\n", "}".repeat(sections.len()))
}

/// The error for a wrong value, after the stage that finds it.
fn error(path: &str, reason: &str) -> String {
    if reason.starts_with("must be") {
        format!("failed complete: failed to decode: {path}: {reason}")
    } else if reason.starts_with("featureGates.") {
        format!("failed complete: failed to decode: {reason}")
    } else if reason.starts_with("logging.") {
        format!("initialize logging: {reason}")
    } else {
        format!("failed validate: KubeProxyConfiguration.{reason}")
    }
}

#[test]
fn each_has_its_default() {
    let stage = Stage::new();
    let found = stage.run_with_file("", &[]).fields();
    assert_eq!(found, stage.run(&[]).fields(), "an empty file is as good as none");
    let written = fields().into_iter().filter(|[_, default, ..]| *default != "-");
    assert_eq!(found, written.map(|[path, default, ..]| (path.to_owned(), default.to_owned())).collect());
}

#[test]
fn each_can_be_set() {
    let stage = Stage::new();
    let default = stage.run_with_file("", &[]).fields();
    for [path, _, value, written, ..] in fields() {
        let end = stage.run_with_file(&file(path, value), &[]);
        let mut found = end.fields();
        found.retain(|field, _| field != "featureGates" || path == "featureGates");
        let mut expected = default.clone();
        expected.insert(path.to_owned(), written.to_owned());
        assert_eq!(found, expected, "{path}");
        assert!(!end.stderr.contains("lenient"), "{path}: {end:#?}");
    }
}

#[test]
fn each_can_be_wrong() {
    let stage = Stage::new();
    for [path, _, _, _, value, reason] in fields() {
        stage.run_with_file(&file(path, value), &[]).failed(&error(path, reason));
    }
}

/// The page is made from what the program knows.
#[test]
fn no_field_is_left_out() {
    let page = include_str!("../../../../docs/reference/configuration.md");
    let documented = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let known: Vec<_> = fields().iter().map(|[path, ..]| *path).collect();
    assert_eq!(documented.collect::<Vec<_>>(), known);
}
