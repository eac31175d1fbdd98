//! The host platform's side, as its own packages see it.

mod corpora;
mod interop;
mod own_vectors;
mod sdk;
mod vectors;
