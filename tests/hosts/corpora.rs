//! What fuzzing found worth keeping, and every token of the vectors, through the same targets.

use std::fs;

use crate::support::root;

#[path = "../../fuzz/targets.rs"]
mod targets;

use targets::{NAMES, Target, seeds};

#[test]
fn no_input_that_fuzzing_kept_panics_or_is_somebody_else() {
    for name in NAMES {
        let target = Target::named(name).expect("a target");
        let seeds = seeds(name);
        assert!(seeds.len() >= 5, "{name} has no vectors");
        for seed in &seeds {
            target.run(seed);
        }
        let folder = root().join("fuzz/corpus").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            target.run(&fs::read(file).expect("readable"));
        }
    }
}
