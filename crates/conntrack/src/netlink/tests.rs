//! What answers of the kernel mean for the caller.

use super::*;
use crate::flow::Family;

#[test]
fn refusals_are_told_apart_by_what_can_be_done() {
    for errno in [errno::PERM, errno::PROTONOSUPPORT, errno::AFNOSUPPORT, errno::INVAL] {
        assert_eq!(refused("count", errno), Error::Unavailable { what: "count", errno });
    }
    for errno in [errno::BUSY, errno::NOMEM, errno::NOBUFS, 0, i32::MAX, -1] {
        assert_eq!(refused("count", errno), Error::TryAgain { what: "count", errno });
    }
}

#[test]
fn only_a_restricted_dump_can_have_its_filter_refused() {
    for errno in [errno::INVAL, errno::OPNOTSUPP] {
        assert_eq!(dump_refused(Scope::Udp(Family::V4), errno), Error::FilterRefused { errno });
        assert_eq!(dump_refused(Scope::Everything, errno), Error::Unavailable { what: "dump", errno });
    }
    let no_right = Error::Unavailable { what: "dump", errno: errno::PERM };
    assert_eq!(dump_refused(Scope::Udp(Family::V4), errno::PERM), no_right);
}

#[test]
fn answers_to_deletes() {
    assert_eq!(outcome(0), Ok(Outcome::Deleted));
    assert_eq!(outcome(errno::NOENT), Ok(Outcome::Gone));
    assert_eq!(outcome(errno::BUSY), Ok(Outcome::Busy));
    assert_eq!(outcome(errno::INVAL), Ok(Outcome::Refused(errno::INVAL)));
    assert_eq!(outcome(i32::MAX), Ok(Outcome::Refused(i32::MAX)));
    assert_eq!(outcome(errno::NOBUFS), Err(Error::TryAgain { what: "delete", errno: errno::NOBUFS }));
    assert!(matches!(outcome(errno::PERM), Err(Error::Unavailable { .. })));
}

fn dumped(messages: &[(bool, Reply)]) -> Result<Dumped, Error> {
    let each: &mut dyn FnMut(&Entry) -> ControlFlow<()> = &mut |_| ControlFlow::Continue(());
    let mut dump = Dump { scope: Scope::Everything, sequence: 7, dumped: Dumped::Whole, each };
    for (interrupted, reply) in messages {
        let message = Message { sequence: 7, interrupted: *interrupted, reply: *reply };
        if dump.take(&message)?.is_break() {
            return Ok(dump.dumped);
        }
    }
    panic!("the dump has no end");
}

#[test]
fn a_dump_is_doubtful_if_any_message_says_so() {
    let entry = Reply::Entry(Entry::Partial { family: None, protocol: None });
    let done = (false, Reply::Done(0));
    assert_eq!(dumped(&[(false, entry), done]), Ok(Dumped::Whole));
    assert_eq!(dumped(&[(true, entry), (false, entry), done]), Ok(Dumped::Doubtful));
    assert_eq!(dumped(&[(false, entry), (true, Reply::Done(0))]), Ok(Dumped::Doubtful));
    assert_eq!(dumped(&[(false, Reply::Overrun), done]), Ok(Dumped::Doubtful));
    let busy = Error::TryAgain { what: "dump", errno: errno::BUSY };
    assert_eq!(dumped(&[(false, entry), (false, Reply::Result(errno::BUSY))]), Err(busy));
}

#[test]
fn answers_to_older_requests_are_not_part_of_a_dump() {
    let mut seen = 0;
    let each: &mut dyn FnMut(&Entry) -> ControlFlow<()> = &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    };
    let mut dump = Dump { scope: Scope::Everything, sequence: 7, dumped: Dumped::Whole, each };
    let entry = Reply::Entry(Entry::Partial { family: None, protocol: None });
    for (sequence, reply) in [(6, entry), (6, Reply::Done(0)), (7, entry)] {
        let message = Message { sequence, interrupted: sequence == 6, reply };
        assert_eq!(dump.take(&message), Ok(ControlFlow::Continue(())));
    }
    assert_eq!((dump.dumped, seen), (Dumped::Whole, 1));
}

#[test]
fn a_kernel_that_does_not_answer_is_not_waited_for_longer_than_some_seconds() {
    let mut netlink = Netlink::new();
    netlink.socket = Some(open().unwrap());
    let silence = netlink.closing_on_error(|netlink| netlink.receive(|_| Ok(ControlFlow::Break(()))));
    let errno = Errno::TIMEDOUT.raw_os_error();
    assert!(matches!(silence, Err(Error::TryAgain { errno: found, .. }) if found == errno));
    assert!(netlink.socket.is_none());
}

#[test]
fn where_there_is_no_socket_nothing_is_read() {
    let mut netlink = Netlink::new();
    let read = netlink.receive(|_| Ok(ControlFlow::Break(())));
    assert!(matches!(read, Err(Error::TryAgain { errno: errno::NOTCONN, .. })));
}
