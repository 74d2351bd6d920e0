//! The lines of a watch, as servers write them.

use std::time::Duration;

use super::{Event, NoEvent, Status, parse};

fn bookmark(version: &str, ends_initial_events: bool) -> Result<Event<'static>, NoEvent> {
    Ok(Event::Bookmark { version: version.to_owned(), ends_initial_events })
}

#[test]
fn lines() {
    let object = br#"{"metadata":{"name":"web"}}"#.as_slice();
    for (line, expected) in [
        (r#"{"type":"ADDED","object":{"metadata":{"name":"web"}}}"#, Ok(Event::Set(object))),
        (r#"{"type":"MODIFIED","object":{"metadata":{"name":"web"}}}"#, Ok(Event::Set(object))),
        (r#"{"object":{"metadata":{"name":"web"}},"type":"DELETED"}"#, Ok(Event::Deleted(object))),
        (
            r#"{"type":"BOOKMARK","object":{"kind":"Service","metadata":{"resourceVersion":"12","creationTimestamp":null},"spec":{}}}"#,
            bookmark("12", false),
        ),
        (
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12","annotations":null}}}"#,
            bookmark("12", false),
        ),
        (
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
            bookmark("12", true),
        ),
        (
            r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":null,"annotations":null}}}"#,
            bookmark("", false),
        ),
        (r#"{"type":"BOOKMARK","object":{"metadata":null}}"#, bookmark("", false)),
        (r#"{"type":"SOMETHING","object":{}}"#, Err(NoEvent)),
        (r#"{"type":"ADDED"}"#, Err(NoEvent)),
        (r#"{"type":"ADDED","object":{"#, Err(NoEvent)),
        ("<html>", Err(NoEvent)),
    ] {
        assert_eq!(parse(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn errors_carry_their_status() {
    let line = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Too large resource version","reason":"Timeout","details":{"retryAfterSeconds":1},"code":504}}"#;
    let Ok(Event::Error(status)) = parse(line) else { panic!("no error") };
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
    assert_eq!(status.retry_after(), Some(Duration::from_secs(1)));
    assert!(!status.is_gone());
}

/// Go writes what is unset as null now and then.
#[test]
fn null_in_a_status_is_nothing() {
    for field in ["reason", "message", "details", "metadata", "status"] {
        let line = format!(r#"{{"type":"ERROR","object":{{"kind":"Status","code":410,"{field}":null}}}}"#);
        let Ok(Event::Error(status)) = parse(line.as_bytes()) else { panic!("{line}: no error") };
        assert!(status.is_gone() && status.retry_after().is_none(), "{line}");
    }
    let line =
        br#"{"type":"ERROR","object":{"code":null,"reason":"Expired","details":{"retryAfterSeconds":null}}}"#;
    let Ok(Event::Error(status)) = parse(line) else { panic!("no error") };
    assert!(status.is_gone(), "{status:?}");
    let status = Status::of_answer(429, br#"{"reason":"TooManyRequests","message":null,"details":null}"#);
    assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
}

#[test]
fn what_is_gone() {
    for (code, reason, expected) in [
        (410, "", true),
        (200, "Expired", true),
        (0, "Gone", true),
        (404, "NotFound", false),
        (500, "", false),
    ] {
        let status = Status { code, reason: reason.to_owned(), ..Status::default() };
        assert_eq!(status.is_gone(), expected, "{code} {reason}");
    }
}

#[test]
fn answers_that_are_no_status() {
    let status = Status::of_answer(502, b"<html>bad gateway</html>\n").with_retry_after(Some(7));
    assert_eq!((status.code, status.reason.as_str()), (502, ""));
    assert_eq!(status.message, "<html>bad gateway</html>");
    assert_eq!(status.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(Status::of_answer(500, &[b'x'; 5000]).message.len(), 200);
}

#[test]
fn the_http_status_counts() {
    let body = br#"{"kind":"Status","message":"no","reason":"Forbidden","code":999}"#;
    let status = Status::of_answer(403, body);
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (403, "Forbidden", "no"));
}
