//! Metrics that nobody records: their values are looked up whenever somebody asks for the metrics.
//!
//! Knows nothing of where the values come from.

use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

/// Name, kind and meaning of a metric without labels.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// What may be done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Values as of now; a metric whose value cannot be found out is missing.
pub(super) type Samples = Vec<(&'static Described, f64)>;

/// Looks values up at each scrape.
pub(super) struct Sampled {
    descs: Vec<Desc>,
    look: Box<dyn Fn() -> Samples + Send + Sync>,
}

impl Sampled {
    /// `described` are all metrics that `look` may have a value of.
    pub(super) fn new(
        described: &[&'static Described],
        look: impl Fn() -> Samples + Send + Sync + 'static,
    ) -> prometheus::Result<Self> {
        let desc = |metric: &&Described| {
            Desc::new(metric.name.to_owned(), metric.help.to_owned(), Vec::new(), Default::default())
        };
        let descs = described.iter().map(desc).collect::<prometheus::Result<_>>()?;
        Ok(Self { descs, look: Box::new(look) })
    }
}

impl Collector for Sampled {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        (self.look)().into_iter().map(|(described, value)| family(described, value)).collect()
    }
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled").field("descs", &self.descs).finish_non_exhaustive()
    }
}

fn family(described: &Described, value: f64) -> MetricFamily {
    let mut metric = Metric::from_label(Vec::new());
    let kind = match described.kind {
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
            MetricType::COUNTER
        }
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
            MetricType::GAUGE
        }
    };
    let mut family = MetricFamily::default();
    family.set_name(described.name.to_owned());
    family.set_help(described.help.to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}
