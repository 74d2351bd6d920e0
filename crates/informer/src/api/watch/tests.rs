//! The protocol without a wire: what is asked after which answer.

mod asked;
mod complaint;
mod told;

use super::{Failure, Watch};
use crate::api::ask::{Ask, Initial, Pause};
use crate::api::brief::brief;
use crate::api::event::Status;
use crate::api::list::Metadata;
use crate::api::resource::Resource;

const BACK_OFF: Pause = Pause::BackOff(None);

fn service(name: &str, version: u64) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"demo","resourceVersion":"{version}"}},"spec":{{"clusterIP":"10.0.0.{}"}}}}"#,
        version % 250 + 1
    )
}

fn event(event_type: &str, object: &str) -> String {
    format!(r#"{{"type":"{event_type}","object":{object}}}"#)
}

fn bookmark(version: u64, annotations: &str) -> String {
    event(
        "BOOKMARK",
        &format!(r#"{{"metadata":{{"resourceVersion":"{version}","annotations":{{{annotations}}}}}}}"#),
    )
}

fn end_of_initial_events(version: u64) -> String {
    bookmark(version, r#""k8s.io/initial-events-end":"true""#)
}

fn page(version: &str, token: &str) -> Metadata {
    Metadata { resource_version: version.to_owned(), token: token.to_owned() }
}

fn status(code: u16) -> Status {
    Status::of_answer(code, b"")
}

fn refused(code: u16) -> Failure {
    Failure::Refused(status(code))
}

fn told(code: u16) -> Failure {
    Failure::Told(status(code))
}

fn told_by(watch: &mut Watch) -> Vec<String> {
    brief(watch.take().changes)
}

/// A watch that has told of `a` and `b` at version 20.
fn synced() -> Watch {
    let mut watch = Watch::new(Resource::Services, Initial::Stream);
    for line in
        [event("ADDED", &service("a", 11)), event("ADDED", &service("b", 7)), end_of_initial_events(20)]
    {
        watch.line(line.as_bytes()).unwrap();
    }
    assert_eq!(told_by(&mut watch), ["+a", "+b"]);
    watch
}

fn watch_from(version: &str) -> Ask {
    Ask::Watch(version.to_owned())
}
