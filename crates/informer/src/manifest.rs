//! Turns a directory's files, as they are read one by one, into changes.
//!
//! Knows nothing of files and when to read them: it is told. A file that cannot be read keeps the
//! objects it had, and so does one with a bad document: which of its objects the bad document was
//! meant to hold, nobody can say.

mod file;
mod kind;
mod strict;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use crate::cache::{Cache, Object};
use crate::change::Batch;
use crate::object::{Complaint, NamespacedName, Subject};

use file::{File, Statement};
use kind::Identity;

#[cfg(test)]
mod tests;

/// The files of one directory and what they come to.
#[derive(Debug, Default)]
pub struct Manifests {
    files: BTreeMap<OsString, File>,
    cache: Cache,
    /// What is wrong and has been told: it is not told again until it was right in between.
    told: BTreeSet<Complaint>,
}

/// What is complained of.
fn subjects(complaints: &BTreeSet<Complaint>) -> BTreeSet<Arc<Subject>> {
    complaints.iter().filter_map(|complaint| complaint.about.clone()).collect()
}

/// The Service that an EndpointSlice belongs to.
fn served(object: &Object) -> Option<NamespacedName> {
    match object {
        Object::EndpointSlice(slice) => {
            Some(NamespacedName::new(slice.name.namespace.clone(), slice.service.clone()))
        }
        Object::Node(_) | Object::Service(_) => None,
    }
}

impl Manifests {
    /// The file `name` holds these bytes.
    pub fn put(&mut self, name: &OsStr, bytes: &[u8]) {
        let mut file = File::read(name, bytes);
        if file.is_incomplete {
            let earlier = self.files.remove(name).unwrap_or_default();
            file.hold_over(earlier);
        }
        self.files.insert(name.to_owned(), file);
    }

    /// The file `name` is there but cannot be read.
    pub fn put_unreadable(&mut self, name: &OsStr, reason: &str) {
        let complaint = Complaint::new(name.display(), "", "", reason);
        self.files.entry(name.to_owned()).or_default().complaints = vec![complaint];
    }

    /// There is no file `name`.
    pub fn remove(&mut self, name: &OsStr) {
        self.files.remove(name);
    }

    /// What is different since the last call, and what is wrong that was not then.
    pub fn changes(&mut self) -> Batch {
        let mut complaints: Vec<Complaint> =
            self.files.values().flat_map(|file| &file.complaints).cloned().collect();
        let objects = self.objects(&mut complaints);
        let changes = self.cache.replace(objects);
        let told = complaints.iter().cloned().collect();
        let mended = &subjects(&self.told) - &subjects(&told);
        complaints.retain(|complaint| !self.told.contains(complaint));
        self.told = told;
        Batch { changes, complaints, mended: mended.into_iter().collect() }
    }

    /// What all files say together: of several documents about one object the last one counts.
    fn objects(&self, complaints: &mut Vec<Complaint>) -> Vec<Object> {
        let mut statements: BTreeMap<&Identity, &Statement> = BTreeMap::new();
        for statement in self.files.values().flat_map(|file| &file.statements) {
            if let Some(earlier) = statements.insert(&statement.about, statement) {
                complaints.push(Complaint::new(
                    format_args!("{}: {}", statement.place, statement.about),
                    "metadata.name",
                    &statement.about.name.name,
                    format_args!("is the object of {} too; this document counts", earlier.place),
                ));
            }
        }
        let has_slices: BTreeSet<_> = statements
            .values()
            .filter(|statement| !statement.about.is_endpoints())
            .flat_map(|statement| statement.objects.iter().filter_map(served))
            .collect();
        let counts = |statement: &&Statement| {
            !(statement.about.is_endpoints() && has_slices.contains(&statement.about.name))
        };
        statements.into_values().filter(counts).flat_map(|statement| &statement.objects).cloned().collect()
    }
}
