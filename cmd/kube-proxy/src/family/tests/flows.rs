//! What the conntrack thread is told of a family's syncs, seen by when it looks at its table.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use conntrack::fake::Fake;
use conntrack::report::Occasion;
use conntrack::worker::News;

use super::*;

/// Far more than anything takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A family whose UDP and TCP service port lead to an endpoint each.
fn objects(udp: &str, tcp: &str) -> String {
    let slice = |name: &str, protocol: &str, address: &str| {
        format!(
            "
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{namespace: ns, name: dns-{name}, labels: {{kubernetes.io/service-name: dns}}}}
addressType: IPv4
ports: [{{name: {name}, port: 53, protocol: {protocol}}}]
endpoints: [{{addresses: ['{address}'], conditions: {{ready: true}}}}]"
        )
    };
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{namespace: ns, name: dns}}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ports: [{{name: udp, port: 53, protocol: UDP}}, {{name: tcp, port: 53, protocol: TCP}}]{}{}",
        slice("udp", "UDP", udp),
        slice("tcp", "TCP", tcp)
    )
}

/// A family that has just committed a Service, and the news of the thread that looks after its flows, from after the
/// first look on.
fn committed() -> (Stage, Receiver<News>) {
    let (sender, news) = channel();
    let tell = move |it| drop(sender.send(it));
    let worker = Worker::start(Arc::new(Mutex::new(Fake::new([]))), || None, tell).unwrap();
    let mut stage = Stage::idle(Layout::Blocks);
    stage.family.flows = Some(Arc::new(worker));
    stage.put(&objects("10.244.0.1", "10.244.0.1"));
    stage.live(SOON);
    assert_eq!(next_look(&news, LONG), Ok(Occasion::Commit(Cause::FirstSync)));
    (stage, news)
}

fn next_look(news: &Receiver<News>, limit: Duration) -> Result<Occasion, RecvTimeoutError> {
    loop {
        if let News::Pass(report) = news.recv_timeout(limit)? {
            return Ok(report.occasion);
        }
    }
}

#[test]
fn rules_that_make_no_difference_to_udp_do_not_end_the_looks() {
    let (mut stage, news) = committed();
    let before = stage.tables().restored.len();
    stage.put(&objects("10.244.0.1", "10.244.0.2"));
    stage.live(SOON);
    assert!(stage.tables().restored.len() > before);
    assert_eq!(next_look(&news, LONG), Ok(Occasion::Settle));
}

#[test]
fn looks_go_on_after_a_restore_that_failed_and_everything_is_looked_at_when_one_succeeds() {
    let (mut stage, news) = failing();
    assert_eq!(next_look(&news, LONG), Ok(Occasion::Settle));
    stage.tables().failures = 0;
    stage.live(SYNC_PERIOD);
    assert_eq!(next_commit(&news), Cause::AfterFailure);
}

/// The same as [`committed`], but the sync after that has failed before the look was repeated. On a machine that is
/// busy with other things for seconds that takes more than one try.
fn failing() -> (Stage, Receiver<News>) {
    let failed = || {
        let (mut stage, news) = committed();
        stage.tables().failures = usize::MAX;
        stage.put(&objects("10.244.0.2", "10.244.0.1"));
        stage.live(SOON);
        assert!(stage.family.pace.failures() > 0);
        let is_early = !news.try_iter().any(|news| matches!(news, News::Pass(_)));
        is_early.then_some((stage, news))
    };
    (0..20).find_map(|_| failed()).expect("two seconds are enough now and then")
}

fn next_commit(news: &Receiver<News>) -> Cause {
    loop {
        if let Occasion::Commit(cause) = next_look(news, LONG).unwrap() {
            return cause;
        }
    }
}

#[test]
fn flows_follow_node_addresses_that_come_and_go_without_a_sync() {
    let (mut stage, news) = committed();
    stage.family.host_look.addresses = || Ok(vec!["192.168.0.1".parse().unwrap()]);
    let service = objects("10.244.0.1", "10.244.0.1").replace(
        "ports: [{name: udp, port: 53,",
        "type: NodePort\n  ports: [{name: udp, nodePort: 30053, port: 53,",
    );
    stage.put(&service);
    assert_eq!(next_commit(&news), Cause::Incremental);
    let restores = stage.tables().restored.len();
    stage.family.host_look.addresses =
        || Ok(vec!["192.168.0.1".parse().unwrap(), "192.168.0.100".parse().unwrap()]);
    stage.family.look_for_canary(now());
    assert_eq!(next_commit(&news), Cause::Incremental);
    assert_eq!(stage.tables().restored.len(), restores);
}

#[test]
fn rules_that_were_replaced_while_the_cluster_changed_are_a_flush() {
    let (mut stage, news) = committed();
    stage.swap_rule();
    stage.family.proxier.suspect();
    stage.put(&objects("10.244.0.1", "10.244.0.2"));
    stage.live(SOON);
    assert_eq!(next_commit(&news), Cause::AfterFlush);
}

/// Where nobody has looked yet, it is the change that is refused first.
#[test]
fn a_flush_that_a_change_runs_into_is_a_flush() {
    let (mut stage, news) = committed();
    stage.tables().flush();
    stage.put(&objects("10.244.0.1", "10.244.0.2"));
    stage.live(SOON);
    assert_eq!(next_commit(&news), Cause::AfterFlush);
}
