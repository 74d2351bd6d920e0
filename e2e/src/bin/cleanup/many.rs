//! Turns a number of Services into rules of the usual shape, and their removal into a time.
//!
//! The rules come from here and not from the daemon, whose own speed is another matter.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::wait::Watch;

use crate::host::Host;

const ENDPOINTS: usize = 5;
const LIMIT: Duration = Duration::from_secs(10);

/// So many Services are written between two COMMITs where a long list of chains is slow.
const PER_BLOCK: usize = 40;

pub(crate) fn go_in_time(backend: Backend, services: usize) -> Result<()> {
    let host = Host::new(backend)?;
    let per_block = match backend {
        Backend::Nft => PER_BLOCK,
        Backend::Legacy => services.max(1),
    };
    host.restore(Family::V4, &rules(services, per_block))?;
    let watch = Watch::start();
    host.clean_up()?;
    let took = watch.elapsed();
    eprintln!("{services} Services went in {:.2} s ({backend})", took.as_secs_f64());
    host.expect(Family::V4, "")?;
    ensure!(took <= LIMIT, "it took {took:?}");
    Ok(())
}

/// Each Service's chains in blocks from the leaves up, then the chain that leads to all of them.
fn rules(services: usize, per_block: usize) -> String {
    let mut text = "*nat\n:KUBE-MARK-MASQ - [0:0]\n-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n\
         :KUBE-POSTROUTING - [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n"
        .to_owned();
    let numbers: Vec<_> = (0..services).collect();
    for block in numbers.chunks(per_block) {
        text += "*nat\n";
        block.iter().for_each(|number| service(*number, &mut text));
        text += "COMMIT\n";
    }
    text += "*nat\n";
    for number in numbers {
        let (chain, ip) = (service_chain(number), address("172.16", number));
        let comment = format!("ns/svc{number}:web cluster IP");
        line(
            &mut text,
            &format!(
                "-A KUBE-SERVICES -d {ip}/32 -p tcp -m comment --comment \"{comment}\" -m tcp --dport 80 -j {chain}"
            ),
        );
    }
    let portals = "-m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";
    line(&mut text, &format!("-A PREROUTING {portals}\n-A OUTPUT {portals}"));
    text +=
        "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\nCOMMIT\n";
    text
}

fn service(number: usize, text: &mut String) {
    let (chain, ip) = (service_chain(number), address("172.16", number));
    line(text, &format!(":{chain} - [0:0]"));
    line(text, &format!("-A {chain} ! -s 10.0.0.0/8 -d {ip}/32 -p tcp -m tcp --dport 80 -j KUBE-MARK-MASQ"));
    for endpoint in 0..ENDPOINTS {
        let (leaf, ip) =
            (hashed("SEP", number * ENDPOINTS + endpoint), address("10.2", number * ENDPOINTS + endpoint));
        line(text, &format!(":{leaf} - [0:0]"));
        line(
            text,
            &format!("-A {leaf} -s {ip}/32 -m comment --comment ns/svc{number}:web -j KUBE-MARK-MASQ"),
        );
        line(
            text,
            &format!(
                "-A {leaf} -p tcp -m comment --comment ns/svc{number}:web -m tcp -j DNAT --to-destination {ip}:8080"
            ),
        );
        let chance = 1.0 / (ENDPOINTS - endpoint) as f64;
        let choice = if endpoint + 1 == ENDPOINTS {
            String::new()
        } else {
            format!(" -m statistic --mode random --probability {chance:.11}")
        };
        line(
            text,
            &format!("-A {chain} -m comment --comment \"ns/svc{number}:web -> {ip}:8080\"{choice} -j {leaf}"),
        );
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("memory takes all");
}

fn service_chain(number: usize) -> String {
    hashed("SVC", number)
}

/// Names are spread as hashes are: neighbours in time are no neighbours in order.
fn hashed(role: &str, number: usize) -> String {
    let spread = (number as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("KUBE-{role}-{spread:016X}")
}

/// Below a prefix of two octets, the first of which may grow.
fn address(prefix: &str, number: usize) -> String {
    let (first, second) = prefix.split_once('.').expect("two octets");
    let second: usize = second.parse().expect("an octet");
    format!("{first}.{}.{}.{}", second + number / 62_500, number / 250 % 250, number % 250 + 1)
}
