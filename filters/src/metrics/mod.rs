//! Kong's metrics of requests (kong.md §7.1): counted when a stream ends, shown to who scrapes.
//!
//! The counters stand in this process and not among Envoy's own statistics, since the route of a request is known to this
//! module only, and a page is to look as Kong's does: values without rounding, order, buckets that counted nothing left
//! out. What is counted of every request, without that plugin too (`traffic`), has its own page.

mod family;
pub mod histogram;
pub mod node;
pub mod page;
pub mod scrape;
pub mod store;
pub mod traffic;
mod traffic_page;

pub use scrape::NODE_ID;
pub use store::{SESSIONS, STORE, Seen, Wanted};
