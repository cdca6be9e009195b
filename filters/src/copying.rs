//! Copies of a response's body, made while it goes on to the client: nobody waits for them.

use crate::gateway::Filter;
use crate::stream::Stream;
use std::fmt::Debug;

/// Dropped before it has seen the end of the body, nothing comes of it: the response was cut off.
pub trait BodyCopy: Debug + Send {
    /// Takes what passes now; false where no more is wanted.
    fn add(&mut self, part: &[u8]) -> bool;
    /// All of the body has passed.
    fn finish(self: Box<Self>);
}

impl Filter {
    pub(crate) fn copy_chunk(&mut self, stream: &impl Stream, end_of_stream: bool) {
        for taking in &mut self.taking {
            let Some(mut copy) = taking.copy.take() else { continue };
            let mut is_wanted = true;
            stream.each_response_chunk(&mut |part| is_wanted = is_wanted && copy.add(part));
            match (is_wanted, end_of_stream) {
                (false, _) => (),
                (true, true) => copy.finish(),
                (true, false) => taking.copy = Some(copy),
            }
        }
    }

    pub(crate) fn drop_copies(&mut self) {
        self.taking.iter_mut().for_each(|taking| taking.copy = None);
    }
}
