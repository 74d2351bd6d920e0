//! Real files in a real directory: what is done to them is delivered.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{PipeWriter, Write, pipe};
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

/// The kubelet's way: files are links into a directory that a link names, and that link is exchanged.
#[test]
fn a_config_map_is_exchanged_as_a_whole() {
    let version = |directory: &Path, version: &str, files: &[(&str, String)]| {
        fs::create_dir(directory.join(version)).unwrap();
        for (name, text) in files {
            fs::write(directory.join(version).join(name), text).unwrap();
        }
        symlink(version, directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    };
    let watched = Watched::with(
        |directory| {
            version(
                directory,
                "..v1",
                &[("web.yaml", service("web", "10.0.0.1")), ("api.yaml", service("api", "10.0.0.2"))],
            );
            symlink("..data/web.yaml", directory.join("web.yaml")).unwrap();
            symlink("..data/api.yaml", directory.join("api.yaml")).unwrap();
        },
        WEB_AND_API,
    );
    let directory = watched.path("");
    let files = [("web.yaml", service("web", "10.0.0.3")), ("new.yaml", service("new", "10.0.0.4"))];
    version(&directory, "..v2", &files);
    symlink("..data/new.yaml", directory.join("new.yaml")).unwrap();
    fs::remove_file(directory.join("api.yaml")).unwrap();
    fs::remove_dir_all(directory.join("..v1")).unwrap();
    watched.expect_in_the_end(&["-api", "+new 10.0.0.4", "+web 10.0.0.3"]);
    watched.expect_nothing();
}

#[test]
fn a_file_behind_a_link_elsewhere_is_looked_at_now_and_then() {
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs::write(&target, service("web", "10.0.0.1")).unwrap();
    let watched =
        Watched::with(|directory| symlink(&target, directory.join("web.yaml")).unwrap(), &["+web 10.0.0.1"]);
    fs::write(&target, service("web", "10.0.0.2")).unwrap();
    watched.expect(&["+web 10.0.0.2"]);
}

#[test]
fn the_directory_is_removed_and_made_again() {
    let watched = Watched::with(web_and_api, WEB_AND_API);
    fs::remove_dir_all(watched.path("")).unwrap();
    let gone = "DIR: cannot be listed, everything stays as it is: No such file or directory (os error 2)";
    watched.expect(&[gone]);
    watched.expect_nothing();
    fs::create_dir(watched.path("")).unwrap();
    watched.write("web.yaml", &service("web", "10.0.0.9"));
    watched.expect_in_the_end(&["-api", "+web 10.0.0.9"]);
    watched.write("web.yaml", &service("web", "10.0.0.8"));
    watched.expect(&["+web 10.0.0.8"]);

    // A second time, by exchange.
    let other = watched.parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("web.yaml"), service("web", "10.0.0.7")).unwrap();
    fs::rename(watched.path(""), watched.parent.path().join("old")).unwrap();
    fs::rename(&other, watched.path("")).unwrap();
    watched.expect(&["+web 10.0.0.7"]);
    fs::write(watched.parent.path().join("old/web.yaml"), service("web", "10.0.0.6")).unwrap();
    watched.expect_nothing();
    watched.write("web.yaml", &service("web", "10.0.0.5"));
    watched.expect(&["+web 10.0.0.5"]);
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
