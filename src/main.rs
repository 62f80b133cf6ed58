//! The program: parse, set up, run, exit code.

fn main() {}
