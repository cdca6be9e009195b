//! What is known of OpenID providers: their endpoints and keys, read when they are needed and shared by all instances.

mod documents;
mod issuer;
mod jwks;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;

pub use issuer::{Issuer, Known, Look, Source, issuer};
