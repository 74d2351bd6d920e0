//! The laws hold for the recorded inputs.

use std::io;
use std::path::Path;

use fuzz::replay;

fn inputs(target: &str, law: fn(&[u8])) -> io::Result<usize> {
    replay::path(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target), law)
}

#[test]
fn configuration() -> io::Result<()> {
    assert!(inputs("configuration", fuzz::configuration)? > 0);
    Ok(())
}

#[test]
fn objects() -> io::Result<()> {
    assert!(inputs("objects", fuzz::objects)? > 0);
    Ok(())
}

#[test]
fn iptables_save() -> io::Result<()> {
    assert!(inputs("iptables_save", fuzz::iptables_save)? > 0);
    Ok(())
}

#[test]
fn conntrack_reply() -> io::Result<()> {
    assert!(inputs("conntrack_reply", fuzz::conntrack_reply)? > 0);
    Ok(())
}

#[test]
fn intake() -> io::Result<()> {
    assert!(inputs("intake", fuzz::intake)? > 0);
    Ok(())
}

#[test]
fn api_answers() -> io::Result<()> {
    assert!(inputs("api_answers", fuzz::api_answers)? > 0);
    Ok(())
}

#[test]
fn nft_messages() -> io::Result<()> {
    assert!(inputs("nft_messages", fuzz::nft_messages)? > 0);
    Ok(())
}
