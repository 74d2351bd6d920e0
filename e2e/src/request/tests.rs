//! Asks real servers over a real cable; needs root.

use super::*;
use crate::command::run;
use crate::echo::Echo;

fn cable() -> (Netns, Netns) {
    let (near, far) = (Netns::new("near").unwrap(), Netns::new("far").unwrap());
    near.connect("eth0", &far, "eth0").unwrap();
    near.ip(
        "addr add 10.9.0.1/24 dev eth0\naddr add 10.9.0.3/24 dev eth0\naddr add fd00:9::1/64 dev eth0 nodad",
    )
    .unwrap();
    far.ip("addr add 10.9.0.2/24 dev eth0\naddr add fd00:9::2/64 dev eth0 nodad").unwrap();
    (near, far)
}

#[test]
fn servers_tell_their_name_and_the_peer() {
    let (near, far) = cable();
    let _server = Echo::start(&far, "a", 80).unwrap();
    for protocol in Protocol::ALL {
        for to in ["10.9.0.2:80", "[fd00:9::2]:80"] {
            let answers = Request::new(protocol, to.parse().unwrap()).ask_often(&near, 3).unwrap();
            assert_eq!(answers.len(), 3);
            for answer in answers {
                let Answer::From { server, seen, client } = &answer else { panic!("{answer}") };
                assert_eq!((server.as_str(), seen), ("a", client));
            }
        }
        let from = Request::new(protocol, "10.9.0.2:80".parse().unwrap()).from("10.9.0.3".parse().unwrap());
        assert_eq!(from.ask(&near).unwrap().to_string(), "a, which saw 10.9.0.3");
    }
}

#[test]
fn an_ended_server_refuses() {
    let (near, far) = cable();
    drop(Echo::start(&far, "a", 80).unwrap());
    for protocol in Protocol::ALL {
        assert_eq!(
            Request::new(protocol, "10.9.0.2:80".parse().unwrap()).ask(&near).unwrap(),
            Answer::Refused
        );
    }
}

#[test]
fn what_is_dropped_is_silence() {
    let (near, far) = cable();
    let _server = Echo::start(&far, "a", 80).unwrap();
    run(far.command("iptables").args(["-w", "5", "-A", "INPUT", "-j", "DROP"])).unwrap();
    for protocol in Protocol::ALL {
        assert_eq!(
            Request::new(protocol, "10.9.0.2:80".parse().unwrap()).ask_silence(&near).unwrap(),
            Answer::Silence
        );
    }
}

#[test]
fn a_wrong_address_is_seen() {
    let answer = read("a 10.9.0.9:1\n", "10.9.0.1:1".parse().unwrap()).unwrap();
    assert!(!answer.keeps_address());
    assert!(read("garbage", "10.9.0.1:1".parse().unwrap()).is_err());
}
