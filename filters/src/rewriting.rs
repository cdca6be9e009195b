//! Bodies of responses that a plugin rewrites piece by piece while they go on to the client: nobody waits for their end.

use crate::gateway::Filter;
use crate::stream::Stream;
use std::fmt::Debug;

/// Of one response.
pub trait Rewriter: Debug + Send {
    /// What goes on in place of this piece; None if the plugin fails, and nothing more may be shown.
    fn rewrite(&mut self, piece: &[u8], is_last: bool) -> Option<Vec<u8>>;
}

impl Filter {
    /// Copies are made of what the plugins leave, so pieces must wait where there are both.
    pub(crate) fn rewrites_whole_body(&self) -> bool {
        self.taking.iter().any(|taking| taking.rewrites)
            || (self.rewrites_pieces() && self.taking.iter().any(|taking| taking.copy.is_some()))
    }

    pub(crate) fn rewrites_pieces(&self) -> bool {
        self.taking.iter().any(|taking| taking.rewriter.is_some())
    }

    pub(crate) fn drop_rewriters(&mut self) {
        self.taking.iter_mut().for_each(|taking| taking.rewriter = None);
    }

    /// The part of the body just received; false if a plugin failed on it.
    pub(crate) fn rewrite_piece(&mut self, stream: &mut impl Stream, is_last: bool) -> bool {
        if !self.rewrites_pieces() {
            return true;
        }
        let mut piece = Vec::new();
        stream.take_response_chunk(&mut piece);
        for rewriter in self.taking.iter_mut().filter_map(|taking| taking.rewriter.as_mut()) {
            match rewriter.rewrite(&piece, is_last) {
                Some(rewritten) => piece = rewritten,
                None => return false,
            }
        }
        stream.replace_response_chunk(&piece);
        true
    }
}
