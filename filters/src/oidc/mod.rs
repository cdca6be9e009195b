//! What is known of OpenID providers: their endpoints and keys, read when they are needed and shared by all instances.

mod answers;
pub mod documents;
mod issuer;
mod jwks;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use answers::{Answers, Fresh, Key};
pub use issuer::{Issuer, Known, Look, Source, issuer};
