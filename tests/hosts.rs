//! The host platform's side, as its own packages see it.

mod corpora;
mod interop;
mod own_vectors;
mod sdk;
mod served;
mod tokens;
mod vectors;
mod verify;
