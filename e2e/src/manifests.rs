//! Turns changes of API objects into changes of files, in a folder that `kube-proxy --manifests` follows.
//!
//! Does not know what the objects mean: a file is a name and a text.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A folder of manifests that goes away with its value.
#[derive(Debug)]
pub struct Manifests {
    folder: TempDir,
    watched: PathBuf,
}

impl Manifests {
    /// Makes an empty folder.
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn new() -> Result<Manifests> {
        let folder = TempDir::with_prefix("kp-manifests-").context("make a folder for manifests")?;
        let watched = folder.path().join("manifests");
        fs::create_dir(&watched).context("make a folder for manifests")?;
        Ok(Manifests { folder, watched })
    }

    /// Makes a folder that holds copies of all files of another one.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn copy_of(folder: &Path) -> Result<Manifests> {
        let manifests = Manifests::new()?;
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let name = path.file_name().expect("an entry of a folder has a name");
            manifests.put(&name.to_string_lossy(), &text)?;
        }
        Ok(manifests)
    }

    /// The folder to give to the proxy.
    pub fn path(&self) -> &Path {
        &self.watched
    }

    /// Writes a file and moves it into the folder, over the one of that name if there is one: as editors do.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn put(&self, name: &str, text: &str) -> Result<()> {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).with_context(|| format!("write {name}"))?;
        fs::rename(&draft, self.watched.join(name)).with_context(|| format!("move {name} into place"))
    }

    /// The text of a file.
    ///
    /// # Errors
    /// If there is no file of that name.
    pub fn get(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.watched.join(name)).with_context(|| format!("read {name}"))
    }

    /// Removes a file, if there is one of that name.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.watched.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {name}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(manifests: &Manifests) -> Vec<String> {
        let entries = fs::read_dir(manifests.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn files_come_change_and_go() {
        let manifests = Manifests::new().unwrap();
        manifests.put("web.yaml", "one").unwrap();
        manifests.put("web.yaml", "two").unwrap();
        assert_eq!(names(&manifests), ["web.yaml"]);
        assert_eq!(manifests.get("web.yaml").unwrap(), "two");
        manifests.remove("web.yaml").unwrap();
        manifests.remove("web.yaml").unwrap();
        assert!(names(&manifests).is_empty());
    }

    #[test]
    fn a_copy_is_independent() {
        let original = Manifests::new().unwrap();
        original.put("web.yaml", "one").unwrap();
        let copy = Manifests::copy_of(original.path()).unwrap();
        copy.put("web.yaml", "two").unwrap();
        assert_eq!(original.get("web.yaml").unwrap(), "one");
    }
}
