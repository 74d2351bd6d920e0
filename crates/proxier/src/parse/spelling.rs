//! Turns the text of a rule, as it is written here or as iptables-save prints it, into the rule.
//!
//! Knows nothing of tables and chains besides the names in the text.

use std::borrow::Cow;
use std::net::IpAddr;

use informer::object::Protocol;
use ipnet::IpNet;
use memchr::memchr;

use super::SavedRule;
use super::normal::Lot;
use super::word::Words;
use crate::chain::ChainName;
use crate::rule::{Address, Match, Rule, Target};

/// What stands behind `-A CHAIN`.
pub(super) fn rule(text: &str) -> SavedRule {
    match known(text) {
        Some(rule) => SavedRule::Known(rule.normal()),
        None => SavedRule::Foreign(text.into()),
    }
}

/// The rule, not in its normal form, if it is one of those that are written here.
pub(crate) fn known(text: &str) -> Option<Rule> {
    // None of them takes more than a line.
    if memchr(b'\n', text.as_bytes()).is_some() {
        return None;
    }
    let mut words = Words::new(text);
    let mut reader = Reader::default();
    let mut inverted = false;
    while let Some(word) = words.next() {
        if word == "!" && !inverted {
            inverted = true;
        } else {
            reader.option(&word, std::mem::take(&mut inverted), &mut words)?;
        }
    }
    let is_whole = words.rest().is_empty() && !inverted;
    if is_whole { reader.finish() } else { None }
}

/// A rule of which some words are read.
#[derive(Default)]
struct Reader {
    matches: Vec<Match>,
    target: Option<Target>,
    recent: Option<Recent>,
}

/// The options of `-m recent`, which come in any order.
#[derive(Default)]
struct Recent {
    set: bool,
    check: bool,
    reap: bool,
    seconds: Option<u32>,
    list: Option<ChainName>,
}

impl Reader {
    fn option(&mut self, option: &str, inverted: bool, words: &mut Words<'_>) -> Option<()> {
        let condition = match (option, inverted) {
            ("-s", _) => Match::Source(address(&words.next()?, inverted)?),
            ("-d", _) => Match::Destination(address(&words.next()?, inverted)?),
            ("-i", _) => Match::InInterface { name: name(words)?.as_ref().into(), inverted },
            ("-p", false) => Match::Protocol(protocol(&words.next()?)?),
            ("--comment", false) => Match::Comment(comment(words)?),
            ("--dport", false) => Match::DestinationPort(words.next()?.parse().ok()?),
            ("--src-type", false) => (words.next()? == "LOCAL").then_some(Match::SourceLocal)?,
            ("--dst-type", false) => (words.next()? == "LOCAL").then_some(Match::DestinationLocal)?,
            ("--mark", _) => mark(&words.next()?, inverted)?,
            ("--ctstate", _) => {
                Match::ConntrackState { states: Cow::Owned(name(words)?.into_owned()), inverted }
            }
            ("--nfacct-name", false) => Match::Nfacct(Cow::Owned(name(words)?.into_owned())),
            ("--probability", false) => Match::OneIn(Lot::parse(&words.next()?)?.choices()?),
            ("--mode", false) => return (words.next()? == "random").then_some(()),
            ("-m", false) => return self.module(&words.next()?),
            ("-j", false) => return self.target(words),
            (_, false) => return self.recent.as_mut()?.option(option, words),
            (_, true) => return None,
        };
        self.matches.push(condition);
        Some(())
    }

    fn module(&mut self, name: &str) -> Option<()> {
        self.end_recent()?;
        match name {
            "comment" | "tcp" | "udp" | "sctp" | "addrtype" | "mark" | "conntrack" | "nfacct"
            | "statistic" => {}
            "recent" => self.recent = Some(Recent::default()),
            _ => return None,
        }
        Some(())
    }

    fn end_recent(&mut self) -> Option<()> {
        if let Some(recent) = self.recent.take() {
            self.matches.push(recent.finish()?);
        }
        Some(())
    }

    /// Nothing stands behind the target and its options.
    fn target(&mut self, words: &mut Words<'_>) -> Option<()> {
        self.target = Some(target(words)?);
        words.rest().is_empty().then_some(())
    }

    fn finish(mut self) -> Option<Rule> {
        self.end_recent()?;
        let has = |kind: fn(&Match) -> bool| self.matches.iter().any(kind);
        let port_without_protocol = has(|condition| matches!(condition, Match::DestinationPort(_)))
            && !has(|condition| matches!(condition, Match::Protocol(_)));
        (!port_without_protocol).then_some(Rule { matches: self.matches, target: self.target })
    }
}

impl Recent {
    fn option(&mut self, option: &str, words: &mut Words<'_>) -> Option<()> {
        match option {
            "--set" => self.set = true,
            "--rcheck" => self.check = true,
            "--reap" => self.reap = true,
            "--seconds" => self.seconds = Some(words.next()?.parse().ok()?),
            "--name" => self.list = Some(ChainName::parse(&name(words)?)),
            "--mask" => return is_full_mask(&words.next()?).then_some(()),
            "--rsource" => {}
            _ => return None,
        }
        Some(())
    }

    fn finish(self) -> Option<Match> {
        let list = self.list?;
        match (self.set, self.check, self.reap, self.seconds) {
            (true, false, false, None) => Some(Match::RecentSet { list }),
            (false, true, true, Some(seconds)) => Some(Match::RecentCheck { list, seconds }),
            _ => None,
        }
    }
}

fn target(words: &mut Words<'_>) -> Option<Target> {
    match words.next()?.as_ref() {
        "ACCEPT" => Some(Target::Accept),
        "DROP" => Some(Target::Drop),
        "RETURN" => Some(Target::Return),
        "REJECT" => reject(words),
        "MASQUERADE" => match words.next().as_deref() {
            None => Some(Target::Masquerade { random_fully: false }),
            Some("--random-fully") => Some(Target::Masquerade { random_fully: true }),
            Some(_) => None,
        },
        "DNAT" => (words.next()? == "--to-destination")
            .then(|| words.next()?.parse().ok().map(Target::Dnat))
            .flatten(),
        "MARK" => set_mark(&words.next()?, &words.next()?),
        // Every chain that is jumped to here has a name that begins so.
        chain if chain.starts_with("KUBE-") && is_plain(chain) => Some(Target::Jump(ChainName::parse(chain))),
        _ => None,
    }
}

/// The answer that is given when none is asked for is printed all the same.
fn reject(words: &mut Words<'_>) -> Option<Target> {
    match words.next().as_deref() {
        None => Some(Target::Reject),
        Some("--reject-with") => match words.next()?.as_ref() {
            "icmp-port-unreachable" | "icmp6-port-unreachable" => Some(Target::Reject),
            _ => None,
        },
        Some(_) => None,
    }
}

/// Setting and flipping are both told to the kernel, and printed, as `--set-xmark value/mask`:
/// the bits of the mask are cleared, then those of the value flipped.
fn set_mark(option: &str, bits: &str) -> Option<Target> {
    match option {
        "--or-mark" => number(bits).map(Target::MarkOr),
        "--xor-mark" => number(bits).map(Target::MarkXor),
        "--set-xmark" => {
            let (value, mask) = bits.split_once('/')?;
            let (value, mask) = (number(value)?, number(mask)?);
            if mask == 0 {
                Some(Target::MarkXor(value))
            } else {
                (value == mask).then_some(Target::MarkOr(value))
            }
        }
        _ => None,
    }
}

fn address(text: &str, inverted: bool) -> Option<Address> {
    let net: IpNet =
        if text.contains('/') { text.parse().ok()? } else { text.parse::<IpAddr>().ok()?.into() };
    Some(Address { net, inverted, bare: false })
}

fn protocol(text: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].into_iter().find(|protocol| protocol.name() == text)
}

/// `value/mask`; all bits count if there is no mask.
fn mark(text: &str, inverted: bool) -> Option<Match> {
    let (value, mask) = match text.split_once('/') {
        Some((value, mask)) => (number(value)?, number(mask)?),
        None => (number(text)?, u32::MAX),
    };
    Some(Match::Mark { value, mask, inverted })
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn is_full_mask(text: &str) -> bool {
    match text.parse() {
        Ok(IpAddr::V4(mask)) => mask.is_broadcast(),
        Ok(IpAddr::V6(mask)) => mask.to_bits() == u128::MAX,
        Err(_) => false,
    }
}

/// Some text.
fn comment(words: &mut Words<'_>) -> Option<Box<str>> {
    let text = words.next()?;
    let is_line = text.split(' ').all(|word| word.is_empty() || is_plain(word));
    (!text.is_empty() && is_line).then(|| text.into())
}

/// One word.
fn name<'a>(words: &mut Words<'a>) -> Option<Cow<'a, str>> {
    words.next().filter(|text| is_plain(text))
}

/// Whether a word can be written again: it needs neither quotes nor escapes.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| !byte.is_ascii_whitespace() && byte != b'"' && byte != b'\\')
}
