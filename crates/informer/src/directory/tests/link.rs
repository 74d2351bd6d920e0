//! Links as ConfigMaps have them, and a directory that comes and goes.

use super::*;

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
