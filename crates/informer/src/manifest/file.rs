//! Turns the bytes of one file into statements about objects.
//!
//! Knows nothing of other files.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use crate::cache::Object;
use crate::document::{self, Fault};
use crate::object::complaint::{self, Complaint};

use super::kind::{self, Found, Identity};

/// What one document says about one object.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// The object.
    pub(super) about: Identity,
    /// What a proxy sees of it; nothing if it is not proxied.
    pub(super) objects: Vec<Object>,
    /// File and document, as in `web.yaml document 2`.
    pub(super) place: String,
}

/// What one file says.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// In the order of the documents.
    pub(super) statements: Vec<Statement>,
    /// What is wrong with the documents and their objects.
    pub(super) complaints: Vec<Complaint>,
    /// Some document says nothing because it is bad.
    pub(super) is_incomplete: bool,
}

impl File {
    /// What the file `name` says with these bytes.
    pub(super) fn read(name: &OsStr, bytes: &[u8]) -> Self {
        let mut file = Self::default();
        for document in document::split(bytes) {
            let place = format!("{} document {}", name.display(), document.number);
            match document.content {
                Ok(value) => kind::read(value).into_iter().for_each(|found| file.take(&place, found)),
                Err(fault) => file.take(&place, Err(fault)),
            }
        }
        file
    }

    fn take(&mut self, place: &str, found: Result<Found, Fault>) {
        match found {
            Ok(Found { about, objects, complaints }) => {
                self.statements.push(Statement { about, objects, place: place.to_owned() });
                for complaint in complaints {
                    let Complaint { about, object, field, value, reason } = complaint;
                    let object = format_args!("{place}: {object}");
                    let complaint = Complaint::new(object, field, value, reason);
                    complaint::push(&mut self.complaints, Complaint { about, ..complaint });
                }
            }
            Err(Fault { field, value, reason }) => {
                self.is_incomplete = true;
                complaint::push(&mut self.complaints, Complaint::new(place, field, value, reason));
            }
        }
    }

    /// Adds what the earlier version of the file said of objects that this one does not mention.
    pub(super) fn hold_over(&mut self, earlier: Self) {
        let mentioned: BTreeSet<Identity> = self.statements.iter().map(|s| s.about.clone()).collect();
        let held = earlier.statements.into_iter().filter(|earlier| !mentioned.contains(&earlier.about));
        self.statements.extend(held);
    }
}
