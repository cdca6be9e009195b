//! Messages in the frames of gRPC: a flag, a length in four bytes, the message.

use super::decoding;
use super::messages::Messages;
use crate::rewriting::Rewriter;
use std::sync::Arc;

const HEAD: usize = 5;
/// A longer message is not taken, nor what is no message at all and longer.
pub const LARGEST: usize = 8 << 20;

pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

/// An answer on its way: each message becomes JSON when all of it is here. What is no frame goes on as it is at the end.
#[derive(Debug)]
pub struct Transcoding {
    messages: Arc<Messages>,
    output: u32,
    waiting: Vec<u8>,
}

impl Transcoding {
    pub fn new(messages: Arc<Messages>, output: u32) -> Self {
        Self { messages, output, waiting: Vec::new() }
    }

    /// None for a message that is compressed, or none of its kind.
    fn json(&self, flag: u8, message: &[u8]) -> Option<Vec<u8>> {
        if flag != 0 {
            return None;
        }
        decoding::json(&self.messages, usize::try_from(self.output).ok()?, message)
    }
}

impl Rewriter for Transcoding {
    fn rewrite(&mut self, piece: &[u8], is_last: bool) -> Option<Vec<u8>> {
        self.waiting.extend_from_slice(piece);
        let (mut out, mut done) = (Vec::new(), 0);
        while let Some((flag, message)) = first_frame(&self.waiting[done..]) {
            out.extend(self.json(flag, message)?);
            done += HEAD + message.len();
        }
        self.waiting.drain(..done);
        if self.waiting.len() > LARGEST + HEAD {
            return None;
        }
        Some(if is_last && out.is_empty() { std::mem::take(&mut self.waiting) } else { out })
    }
}

fn first_frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (flag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    Some((*flag, rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?))
}
