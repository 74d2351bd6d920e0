//! Whatever is asked: a page that panicked would end the daemon.

use config::Gates;
use prometheus::Registry;
use proptest::prelude::*;

use super::*;
use crate::built::Build;
use crate::metrics::Metrics;

const PATHS: [&str; 14] = [
    "/healthz",
    "/healthz/ping",
    "/livez",
    "/metrics",
    "/metrics/slis",
    "/proxyMode",
    "/configz",
    "/flagz",
    "/statusz",
    "/debug/pprof",
    "/debug/pprof/heap",
    "/debug/flags",
    "/debug/flags/v",
    "/",
];

/// A path that exists, perhaps with more behind it, or any other.
fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(PATHS.to_vec());
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => known_and_more(), 1 => "/\\PC{0,20}"]
}

fn known_and_more() -> impl Strategy<Value = String> {
    (prop::sample::select(PATHS.to_vec()), "\\PC{0,6}").prop_map(|(path, more)| format!("{path}{more}"))
}

fn request() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "PUT", "DELETE", "POST", "HEAD"]);
    let query = prop_oneof![
        Just(String::new()),
        prop::sample::select(vec!["verbose", "verbose&exclude=ping", "exclude=ping", "=&&="])
            .prop_map(str::to_owned),
        "\\PC{0,20}",
    ];
    let accept = prop_oneof![Just(String::new()), Just("text/plain".to_owned()), "\\PC{0,20}"];
    let body =
        prop_oneof![Just(b"4".to_vec()), prop::collection::vec(proptest::arbitrary::any::<u8>(), 0..30)];
    (method, path(), query, accept, proptest::arbitrary::any::<bool>(), body).prop_map(
        |(method, path, query, accept, takes_gzip, body)| Request {
            method: method.to_owned(),
            path,
            query,
            accept,
            takes_gzip,
            body,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_request_makes_a_page_panic(requests in prop::collection::vec(request(), 1..4)) {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry, &Build::default(), &Gates::default()).unwrap();
        let health = SharedHealth::new(Health::new(Duration::from_secs(30)));
        let pages = metrics_page::pages_of(registry, "", &[]).with_debug(Debug::new(|_| {}));
        for request in requests {
            for answer in [
                crate::serve::health_page::answer(&health, &metrics.health, &request, &now()),
                pages.answer(&request, &now()),
            ] {
                prop_assert!((200..600).contains(&answer.code), "{answer:?}");
                prop_assert!(answer.headers.iter().all(|(_, value)| value.parse::<hyper::header::HeaderValue>().is_ok()));
            }
        }
    }
}
