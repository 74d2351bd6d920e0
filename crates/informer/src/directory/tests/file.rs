//! Files are written, exchanged and broken.

use std::fs::{File, OpenOptions};
use std::io::Write;

use super::*;

#[test]
fn a_file_that_cannot_be_read_is_a_complaint() {
    let directory = tempfile::tempdir().unwrap();
    web_and_api(directory.path());
    symlink("nowhere", directory.path().join("dangling.yaml")).unwrap();
    let told = brief(load(directory.path()).unwrap());
    assert_eq!(told[..2], *WEB_AND_API);
    assert!(told[3].starts_with("dangling.yaml: cannot be read: No such file"), "{told:?}");
    assert_eq!(told.len(), 4);
}

#[test]
fn files_are_edited_added_and_deleted() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    watched.write("web.yaml", &service("web", "10.0.0.9"));
    watched.expect(&["+web 10.0.0.9"]);
    watched.write("new.json", &service("new", "10.0.0.3"));
    watched.expect(&["+new 10.0.0.3"]);
    fs::remove_file(watched.path("api.yml")).unwrap();
    watched.expect(&["-api"]);
    fs::rename(watched.path("web.yaml"), watched.path("web.bak")).unwrap();
    watched.expect(&["-web"]);
    watched.write(".web.yaml.swp", "x");
    watched.expect_nothing();
}

#[test]
fn an_editor_renames_over() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    watched.write(".web.yaml.tmp", &service("web", "10.0.0.9"));
    watched.expect_nothing();
    fs::rename(watched.path(".web.yaml.tmp"), watched.path("web.yaml")).unwrap();
    watched.expect(&["+web 10.0.0.9"]);
    // Another habit: the old file becomes the backup and a new one is written.
    fs::rename(watched.path("web.yaml"), watched.path("web.yaml~")).unwrap();
    watched.write("web.yaml", &service("web", "10.0.0.8"));
    watched.expect_in_the_end(&["+web 10.0.0.8"]);
}

#[test]
fn a_file_counts_when_its_writer_is_done() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    let mut file = OpenOptions::new().write(true).truncate(true).open(watched.path("web.yaml")).unwrap();
    watched.expect_nothing();
    file.write_all(service("web", "10.0.0.9").as_bytes()).unwrap();
    watched.expect_nothing();
    file.write_all(service("more", "10.0.0.8").as_bytes()).unwrap();
    drop(file);
    watched.expect(&["+more 10.0.0.8", "+web 10.0.0.9"]);

    let mut file = File::create(watched.path("new.yaml")).unwrap();
    file.write_all(service("new", "10.0.0.7").as_bytes()).unwrap();
    watched.expect_nothing();
    // It is never closed, but nothing more comes.
    watched.expect(&["+new 10.0.0.7"]);
    drop(file);
    watched.expect_nothing();
}

#[test]
fn a_bad_document_keeps_what_was_said() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    watched.write("web.yaml", "apiVersion: v1\nkind: Service\nmetadata:\n  na");
    watched.expect(&[
        "web.yaml document 1: metadata: \"na\": invalid type: string \"na\", expected struct Metadata",
    ]);
    watched.write("api.yml", &service("api", "10.0.0.7"));
    watched.expect(&["+api 10.0.0.7"]);
    let text = format!("{}kind: Service\n---\n{}", service("new", "10.0.0.3"), service("next", "10.0.0.4"));
    watched.write("web.yaml", &text);
    watched.expect(&["+new 10.0.0.3", "+next 10.0.0.4", "web.yaml document 2: apiVersion: \"\": is missing"]);
    watched.write("web.yaml", &service("web", "10.0.0.9"));
    watched.expect(&["-new", "-next", "+web 10.0.0.9"]);
    watched.write("web.yaml", "\u{0}");
    watched.expect(&["web.yaml document 1: line 1: \"\\0\": control characters are not allowed"]);
    fs::remove_file(watched.path("web.yaml")).unwrap();
    watched.expect(&["-web"]);
}

#[test]
fn an_unreadable_file_keeps_what_it_said() {
    let watched = Watched::with(
        |directory| {
            web_and_api(directory);
            fs::rename(directory.join("web.yaml"), directory.join("target")).unwrap();
            symlink("target", directory.join("web.yaml")).unwrap();
        },
        WEB_AND_API,
    );
    fs::rename(watched.path("target"), watched.path("elsewhere")).unwrap();
    watched.expect(&["web.yaml: cannot be read: No such file or directory (os error 2)"]);
    watched.expect_nothing();
    fs::write(watched.path("target"), service("web", "10.0.0.9")).unwrap();
    watched.expect(&["+web 10.0.0.9"]);
}

#[test]
fn many_acts_at_once_are_one_batch() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    let names: Vec<String> = (0..50).map(|index| format!("s{index:02}")).collect();
    for name in &names {
        watched.write(&format!("{name}.yaml"), &service(name, "10.0.0.3"));
    }
    let expected: Vec<String> = names.iter().map(|name| format!("+{name} 10.0.0.3")).collect();
    let mut batches = 0;
    let mut found = Vec::new();
    while found.len() < expected.len() {
        found.extend(brief(watched.batches.recv_timeout(LONG).unwrap()));
        batches += 1;
    }
    assert_eq!(found, expected);
    assert!(batches < 25, "{batches}");
}
