//! The host platform's side, as its own SDK sees it.

mod sdk;
mod vectors;
