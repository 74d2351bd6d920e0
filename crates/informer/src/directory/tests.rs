//! Real files in a real directory: what is done to them is delivered.

mod file;
mod link;

use std::collections::BTreeMap;
use std::fs;
use std::io::{PipeWriter, pipe};
use std::ops::ControlFlow;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{load, watch};
use crate::change::{Batch, Change};

/// Longer than any wait of the watch, with room for a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// Longer than the notes of one act are gathered.
const SHORT: Duration = Duration::from_millis(600);

/// A directory and a watch on it.
struct Watched {
    /// Holds the directory, so that the directory itself can come and go.
    parent: TempDir,
    batches: Receiver<Batch>,
    stop: Option<PipeWriter>,
    watch: Option<JoinHandle<std::io::Result<()>>>,
}

impl Watched {
    /// A watch that has delivered what `prepare` put into the directory.
    fn with(prepare: impl Fn(&Path), expected: &[&str]) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("manifests");
        fs::create_dir(&directory).unwrap();
        prepare(&directory);
        let (stopped, stop) = pipe().unwrap();
        let (sender, batches) = channel();
        let watch = thread::spawn(move || {
            watch(&directory, stopped, |batch| {
                sender.send(batch).map_or(ControlFlow::Break(()), ControlFlow::Continue)
            })
        });
        let watched = Self { parent, batches, stop: Some(stop), watch: Some(watch) };
        let mut first = brief(watched.batches.recv_timeout(LONG).unwrap());
        assert_eq!(first.pop().as_deref(), Some("synced"));
        assert_eq!(first, expected);
        watched
    }

    fn path(&self, name: &str) -> PathBuf {
        self.parent.path().join("manifests").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The next batch is this.
    #[track_caller]
    fn expect(&self, expected: &[&str]) {
        match self.batches.recv_timeout(LONG) {
            Ok(batch) => assert_eq!(brief(batch), expected),
            Err(error) => panic!("{error}, instead of {expected:?}"),
        }
    }

    /// What was done in several steps may come in several batches; in the end this is told of each
    /// Service last.
    #[track_caller]
    fn expect_in_the_end(&self, expected: &[&str]) {
        let mut last = BTreeMap::new();
        while !last.values().eq(expected) {
            match self.batches.recv_timeout(LONG) {
                Ok(batch) => last.extend(brief(batch).into_iter().map(|told| (name(&told), told))),
                Err(error) => panic!("{error}, after {last:?} instead of {expected:?}"),
            }
        }
    }

    #[track_caller]
    fn expect_nothing(&self) {
        match self.batches.recv_timeout(SHORT) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.watch.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

fn brief(batch: Batch) -> Vec<String> {
    let changes = batch.changes.iter().map(|change| match change {
        Change::SetService(service) => format!("+{} {}", service.name.name, service.cluster_ips.v4.unwrap()),
        Change::DeleteService(name) => format!("-{}", name.name),
        Change::Synced => "synced".to_owned(),
        Change::SetEndpointSlice(_)
        | Change::DeleteEndpointSlice(_)
        | Change::SetNode(_)
        | Change::DeleteNode(_) => panic!("the files hold Services only"),
    });
    let complaints =
        batch.complaints.iter().map(|complaint| match complaint.object.split_once("/manifests") {
            Some((_, rest)) => format!("DIR{rest}: {}", complaint.reason),
            None => complaint.to_string(),
        });
    changes.chain(complaints).collect()
}

/// The Service that `told` is about.
fn name(told: &str) -> String {
    told[1..].split(' ').take(1).collect()
}

fn service(name: &str, cluster_ip: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  clusterIP: {cluster_ip}\n---\n"
    )
}

fn web_and_api(directory: &Path) {
    fs::write(directory.join("web.yaml"), service("web", "10.0.0.1")).unwrap();
    fs::write(directory.join("api.yml"), service("api", "10.0.0.2")).unwrap();
}

const WEB_AND_API: &[&str] = &["+api 10.0.0.2", "+web 10.0.0.1"];

#[test]
fn manifests_are_told_by_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    web_and_api(directory.path());
    let json = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "j"}, "spec": {"clusterIP": "10.0.0.3"}}"#;
    fs::write(at("j.json"), json).unwrap();
    for name in [".hidden.yaml", "web.yaml~", "web.yaml.swp", "README", "#web.yaml#", ".yaml"] {
        fs::write(at(name), service("no", "10.0.0.9")).unwrap();
    }
    fs::create_dir(at("directory.yaml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(
        brief(load(directory.path()).unwrap()),
        ["+api 10.0.0.2", "+j 10.0.0.3", "+web 10.0.0.1", "synced"]
    );
}

#[test]
fn no_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    assert_eq!(load(&missing).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let (stopped, _stop) = pipe().unwrap();
    let error = watch(&missing, &stopped, |_| unreachable!("there is nothing to deliver")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn it_follows_within_a_moment_and_stops_at_once() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    let start = Instant::now();
    for cluster_ip in ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"] {
        watched.write("web.yaml", &service("web", cluster_ip));
        watched.expect(&[&format!("+web {cluster_ip}")]);
    }
    // Looking now and then would take twice as long.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let start = Instant::now();
    drop(watched);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn it_ends_when_nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let (stopped, _stop) = pipe().unwrap();
    let mut delivered = 0;
    watch(directory.path(), &stopped, |_| {
        delivered += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(delivered, 1);
}
