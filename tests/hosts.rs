//! The host platform's side, as its own SDK sees it.

mod corpora;
mod sdk;
mod vectors;
