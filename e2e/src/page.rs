//! Turns an address and a path into what an HTTP server in a namespace answers.
//!
//! Does not know what the answer should be.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::netns::Netns;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Page {
    /// GETs a page over a connection of its own.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn get(netns: &Netns, address: SocketAddr, path: &str) -> Result<Page> {
        Page::ask(netns, Method::GET, address, path)
    }

    /// The same with any method.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn ask(netns: &Netns, method: Method, address: SocketAddr, path: &str) -> Result<Page> {
        let what = format!("{method} http://{address}{path}");
        let page = netns.inside(|| {
            let runtime = Builder::new_current_thread().enable_all().build().context("start a runtime")?;
            let asked =
                async { timeout(PATIENCE, exchange(method, address, path)).await.context("no answer")? };
            runtime.block_on(asked)
        });
        page.context(what)
    }

    /// A header's text; empty without the header.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

async fn exchange(method: Method, address: SocketAddr, path: &str) -> Result<Page> {
    let stream = TcpStream::connect(address).await.context("connect")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, address.to_string()).header(CONNECTION, "close");
    let (head, body) = sender.send_request(request.body(Empty::<Bytes>::new())?).await?.into_parts();
    let body = body.collect().await.context("read the body")?.to_bytes();
    let body = String::from_utf8(body.to_vec()).context("the body is no text")?;
    Ok(Page { code: head.status.as_u16(), headers: head.headers, body })
}
