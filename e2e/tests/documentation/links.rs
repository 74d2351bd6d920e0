//! Links between pages lead to files and headings that exist.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Page, pages, place, text};

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for page in pages() {
        for link in links(&page.text) {
            seen += 1;
            assert!(is_alive(&page, link), "{}: {link} leads nowhere", page.name);
        }
    }
    assert!(seen >= 15, "{seen} links");
}

#[test]
fn headings_have_the_anchors_that_pages_show() {
    let found = anchors("# One\n```sh\n# two\n```\n## What `x` can't do (yet)\n");
    assert_eq!(found, ["one", "what-x-cant-do-yet"].map(String::from).into());
}

/// The targets of links within the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://"))
}

fn is_alive(page: &Page, link: &str) -> bool {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(&page.name).parent().unwrap_or(Path::new(""));
    let target = if file.is_empty() { page.name.clone() } else { folder.join(file).display().to_string() };
    place(&target).exists() && (anchor.is_empty() || anchors(&text(&target)).contains(anchor))
}

/// What the headings of a page are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    // Every other part is a block of code.
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    let headings =
        prose.filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let letter = |c: char| match c {
        ' ' => Some('-'),
        _ => (c.is_alphanumeric() || c == '-' || c == '_').then(|| c.to_ascii_lowercase()),
    };
    headings.map(|heading| heading.chars().filter_map(letter).collect()).collect()
}
