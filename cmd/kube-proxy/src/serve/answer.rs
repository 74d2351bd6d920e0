//! What is asked by HTTP, and what is answered, apart from how it is transported.
//!
//! Pure: knows no socket and no page.

/// The parts of a request that any page looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// What follows `?`, if anything.
    pub(super) query: String,
    /// The header `Accept`; empty if there is none.
    pub(super) accept: String,
    /// Whether the header `Accept-Encoding` lists gzip.
    pub(super) takes_gzip: bool,
    /// What was sent with `PUT`; empty if it is longer than what any page reads.
    pub(super) body: Vec<u8>,
}

/// An answer, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Whether the query has this key, whatever its value.
    pub(super) fn asks(&self, key: &str) -> bool {
        self.query.split('&').any(|pair| pair.split('=').next() == Some(key))
    }

    /// The values that the query has for this key.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(move |(k, _)| *k == key)
            .map(|(_, v)| v)
    }
}

impl Answer {
    /// Text of which browsers are not to guess the type.
    pub(super) fn text(code: u16, body: impl Into<String>) -> Self {
        Self::typed(code, "text/plain; charset=utf-8", body.into())
    }

    /// JSON.
    pub(super) fn json(code: u16, body: impl Into<String>) -> Self {
        Self::typed(code, "application/json", body.into())
    }

    /// There is no such page.
    pub(super) fn not_found() -> Self {
        Self::text(404, "404 page not found\n")
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn typed(code: u16, content_type: &str, body: String) -> Self {
        let headers =
            vec![("Content-Type", content_type.to_owned()), ("X-Content-Type-Options", "nosniff".to_owned())];
        Self { code, headers, body: body.into_bytes() }
    }
}
