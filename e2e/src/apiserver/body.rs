//! Turns what is to be answered into bodies that arrive whole, slowly or not to the end.
//!
//! Knows nothing of what they say.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::fault::Fault;

/// The body of an answer.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// Pieces of a body; an error breaks it off.
pub(super) type Pieces = Receiver<Result<Bytes, io::Error>>;

/// A body of one piece.
pub(super) fn whole(bytes: Bytes) -> Pieces {
    let (sender, receiver) = channel(1);
    sender.try_send(Ok(bytes)).expect("there is room for one");
    receiver
}

/// A body of pieces that are made one after the other, as they are read.
pub(super) fn made(pieces: impl Iterator<Item = Bytes> + Send + 'static) -> Pieces {
    relayed(async |sender| {
        for piece in pieces {
            if sender.send(Ok(piece)).await.is_err() {
                return;
            }
        }
    })
}

/// What breaks off a body.
pub(super) fn cut() -> io::Error {
    io::Error::other("cut, as the test wants it")
}

/// The pieces as a body, with what is to go wrong.
pub(super) fn body(pieces: Pieces, fault: Option<Fault>) -> Body {
    let pieces = match fault {
        Some(Fault::CutAfter(bytes)) => relayed(move |sender| cut_after(pieces, bytes, sender)),
        Some(Fault::StallAfter(bytes)) => relayed(move |sender| stall_after(pieces, bytes, sender)),
        Some(Fault::Slow { piece, pause }) => relayed(move |sender| slowly(pieces, piece, pause, sender)),
        _ => pieces,
    };
    let frames = stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece.map(Frame::data), pieces))
    });
    StreamBody::new(frames).boxed()
}

fn relayed<F: Future<Output = ()> + Send + 'static>(
    relay: impl FnOnce(Sender<Result<Bytes, io::Error>>) -> F,
) -> Pieces {
    let (sender, receiver) = channel(1);
    tokio::spawn(relay(sender));
    receiver
}

async fn cut_after(mut pieces: Pieces, bytes: usize, sender: Sender<Result<Bytes, io::Error>>) {
    if first(&mut pieces, bytes, &sender).await {
        // What was sent should arrive before the break does.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _gone = sender.send(Err(cut())).await;
    }
}

async fn stall_after(mut pieces: Pieces, bytes: usize, sender: Sender<Result<Bytes, io::Error>>) {
    if first(&mut pieces, bytes, &sender).await {
        sender.closed().await;
    }
}

/// Sends so many bytes; says whether there were as many.
async fn first(pieces: &mut Pieces, bytes: usize, sender: &Sender<Result<Bytes, io::Error>>) -> bool {
    let mut left = bytes;
    while let Some(Ok(piece)) = pieces.recv().await {
        let part = piece.slice(..piece.len().min(left));
        left -= part.len();
        if sender.send(Ok(part)).await.is_err() {
            return false;
        }
        if left == 0 {
            return true;
        }
    }
    false
}

async fn slowly(mut pieces: Pieces, size: usize, pause: Duration, sender: Sender<Result<Bytes, io::Error>>) {
    while let Some(piece) = pieces.recv().await {
        let Ok(mut piece) = piece else {
            let _gone = sender.send(piece).await;
            return;
        };
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(size));
            if sender.send(Ok(part)).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
