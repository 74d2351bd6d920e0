//! What an API server's answers may do to what is known: the law of lists and watches.
//!
//! Knows nothing of where the bytes come from.

use std::collections::BTreeSet;

use informer::api::{Failure, Rehearsal, Resource};
use informer::change::{Batch, Change};
use informer::object::Complaint;

/// Objects that are in the lists and watches besides the input, and are none of its business.
const WITNESSES: [(Resource, &str); 3] = [
    (Resource::Node, r#"{"metadata":{"name":"witness","resourceVersion":"1"}}"#),
    (
        Resource::Services,
        r#"{"metadata":{"name":"witness","namespace":"w","resourceVersion":"1"},"spec":{"clusterIP":"10.0.0.1"}}"#,
    ),
    (
        Resource::EndpointSlices,
        r#"{"metadata":{"name":"witness","namespace":"w","resourceVersion":"1","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4"}"#,
    ),
];

/// Whatever an API server sends as a list or a watch is read to its end, or up to the first line that is none; a list
/// means the same wherever it is cut into pieces; an object that cannot be used costs no other one; and what goes had
/// been told of. The first byte says of what and in which form it is sent, the second into pieces of which length.
pub fn api_answers(bytes: &[u8]) {
    let [choice, length, body @ ..] = bytes else { return };
    let (resource, witness) = WITNESSES[usize::from(*choice) % WITNESSES.len()];
    let names_witness = body.windows(7).any(|name| name == b"witness") || body.contains(&b'\\');
    if *choice < 128 {
        means_the_same_in_pieces(resource, body, usize::from(*length) + 1);
    }
    let mut rehearsal = Rehearsal::new(resource);
    let first = format!(r#"{{"metadata":{{"resourceVersion":"1"}},"items":[{witness}]}}"#);
    let mut told = Told::default();
    told.take_in(&rehearsal.list([first.as_bytes()]).expect("a list"));
    if *choice < 128 {
        let list =
            [br#"{"metadata":{"resourceVersion":"9"},"items":["#, witness.as_bytes(), b",", body, b"]}"];
        told.take_in(&rehearsal.list(list).unwrap_or_default());
    } else {
        let (batch, _end) = rehearsal.watch(body.split(|byte| *byte == b'\n'));
        told.take_in(&batch);
    }
    assert!(names_witness || told.has_witness, "the witness is gone: {told:?}");
}

fn means_the_same_in_pieces(resource: Resource, body: &[u8], length: usize) {
    let read = |pieces: Vec<&[u8]>| -> Result<Batch, Failure> { Rehearsal::new(resource).list(pieces) };
    let (whole, in_pieces) = (read(vec![body]), read(body.chunks(length).collect()));
    assert_eq!(whole.is_ok(), in_pieces.is_ok(), "{whole:?} and in pieces {in_pieces:?}");
    assert_eq!(whole.ok(), in_pieces.ok());
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    objects: BTreeSet<String>,
    complaints: BTreeSet<String>,
    has_witness: bool,
}

impl Told {
    fn take_in(&mut self, batch: &Batch) {
        for complaint in &batch.complaints {
            let Complaint { about, .. } = complaint;
            let text = complaint.to_string();
            assert!(!text.contains('\n') && text.len() < 10_000, "one line of bearable length: {text}");
            self.complaints.extend(about.as_ref().map(ToString::to_string));
        }
        for subject in &batch.mended {
            assert!(self.complaints.contains(&subject.to_string()), "nobody complained of {subject}");
        }
        batch.changes.iter().for_each(|change| self.change(change));
    }

    fn change(&mut self, change: &Change) {
        let (name, is_there) = match change {
            Change::SetService(service) => (service.name.to_string(), true),
            Change::DeleteService(name) | Change::DeleteEndpointSlice(name) => (name.to_string(), false),
            Change::SetEndpointSlice(slice) => (slice.name.to_string(), true),
            Change::SetNode(node) => (node.name.to_string(), true),
            Change::DeleteNode(name) => (name.to_string(), false),
            Change::Synced => return,
        };
        if name.ends_with("witness") {
            self.has_witness = is_there;
        }
        if is_there {
            self.objects.insert(name);
        } else {
            assert!(self.objects.remove(&name), "{name} goes, and had not been told of");
        }
    }
}
